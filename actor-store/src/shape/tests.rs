use super::*;
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::{NonZeroI8, NonZeroU32};
use std::time::Duration;

mod before {
    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) enum Leg {
        Hotel,
        Flight(String, u8),
        Car { days: u16 },
        Inner(Fare),
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) enum Fare {
        Free,
        Cents(u64),
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) struct Trip {
        pub(super) legs: Vec<Leg>,
        pub(super) next: Option<Box<Trip>>,
    }
}

mod after {
    use super::*;

    /// Differs from the one before in the last variant's payload only, three enums deep.
    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) enum Fare {
        Free,
        Cents(u32),
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) enum Leg {
        Hotel,
        Flight(String, u8),
        Car { days: u16 },
        Inner(Fare),
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) struct Trip {
        pub(super) legs: Vec<Leg>,
        pub(super) next: Option<Box<Trip>>,
    }
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Tree {
    Sum(Box<Tree>, Box<Tree>),
    Same(Box<Tree>),
    Many(Vec<(Tree, Choice)>),
    Leaf(i64),
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Endless(Box<Endless>);

#[derive(Deserialize)]
struct Unit;

#[derive(Deserialize)]
#[allow(dead_code)]
struct Newtype(u8);

#[derive(Deserialize)]
#[allow(dead_code)]
struct Generic<T> {
    value: T,
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Choice {
    A,
    B(u8),
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Longer {
    A,
    B(u8),
    C,
}

/// Accepts nothing it is probed with.
struct Picky;

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "open sesame" {
            Ok(Self)
        } else {
            Err(de::Error::custom("no"))
        }
    }
}

#[test]
fn a_shape_is_the_same_every_time_and_differs_between_types() {
    let shapes = [
        shape_of::<u8>(),
        shape_of::<u16>(),
        shape_of::<i8>(),
        shape_of::<f64>(),
        shape_of::<char>(),
        shape_of::<bool>(),
        shape_of::<String>(),
        shape_of::<()>(),
        shape_of::<(u8, u8)>(),
        shape_of::<[u8; 3]>(),
        shape_of::<Option<u8>>(),
        shape_of::<Vec<u8>>(),
        shape_of::<HashMap<String, u8>>(),
        shape_of::<HashMap<String, u16>>(),
        shape_of::<Vec<(String, NonZeroU32)>>(),
        shape_of::<Vec<(String, u64)>>(),
        shape_of::<Result<u8, String>>(),
        shape_of::<Result<u8, u8>>(),
        shape_of::<Duration>(),
        shape_of::<IpAddr>(),
        shape_of::<Unit>(),
        shape_of::<Newtype>(),
        shape_of::<Generic<u8>>(),
        shape_of::<Generic<String>>(),
        shape_of::<(Generic<Choice>, Generic<Longer>)>(),
        shape_of::<(Generic<Longer>, Generic<Choice>)>(),
        shape_of::<Tree>(),
        shape_of::<Endless>(),
        shape_of::<Picky>(),
        shape_of::<before::Trip>(),
        shape_of::<after::Trip>(),
    ];
    for (at, shape) in shapes.iter().enumerate() {
        assert!(!shapes[..at].contains(shape), "shape {at} is not unique");
    }
    assert_eq!(shape_of::<before::Trip>(), shape_of::<before::Trip>());
    assert_eq!(shape_of::<Tree>(), shape_of::<Tree>());
}

#[test]
fn a_change_deep_inside_a_variant_is_seen() {
    assert_ne!(shape_of::<before::Leg>(), shape_of::<after::Leg>());
    assert_ne!(shape_of::<before::Fare>(), shape_of::<after::Fare>());
}

#[test]
fn every_variant_is_probed_in_nested_and_recursive_enums() {
    for (complete, of) in [
        (probed::<before::Trip>(), "trip"),
        (probed::<Tree>(), "tree"),
        (probed::<(before::Fare, Vec<before::Leg>)>(), "shared enum"),
        (probed::<Result<Option<Choice>, before::Leg>>(), "result"),
    ] {
        assert!(complete, "{of}");
    }
}

fn probed<T: DeserializeOwned>() -> bool {
    let mut tracer = Tracer::new(0);
    tracer.explore::<T>();
    let mut variants = tracer.enums.values().flatten();
    tracer.rejections == 0 && variants.all(|variant| variant.is_probed && variant.cost.is_some())
}

#[test]
fn types_that_reject_zero_are_given_one() {
    let mut tracer = Tracer::new(0);
    tracer.explore::<(NonZeroU32, NonZeroI8)>();
    assert_eq!(tracer.rejections, 0);
}

#[test]
fn shapes_are_on_disk_and_stay_what_they_are() {
    assert_eq!(shape_of::<before::Trip>(), Shape(GOLDEN_TRIP));
    assert_eq!(shape_of::<Vec<(String, NonZeroU32)>>(), Shape(GOLDEN_LINES));
}

const GOLDEN_TRIP: u64 = 6_263_627_904_853_095_450;
const GOLDEN_LINES: u64 = 924_784_306_567_470_362;

mod kept {
    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) struct FlatV1 {
        pub(super) cents: u64,
    }

    pub(super) mod flat {
        use super::*;

        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(in super::super) struct Flat {
            pub(in super::super) cents: u64,
        }
    }

    pub(super) mod now {
        use super::*;

        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(in super::super) struct Flat {
            pub(in super::super) euros: u32,
        }
    }
}

#[test]
fn an_earlier_struct_is_found_under_its_new_name_and_only_the_outermost_name_is_exchanged() {
    assert_ne!(shape_of::<kept::FlatV1>(), shape_of::<kept::flat::Flat>());
    assert_eq!(
        shape_of_past::<kept::FlatV1, kept::now::Flat>(),
        shape_of::<kept::flat::Flat>()
    );
    // Under its own name it is found as well.
    assert_eq!(
        shape_of_past::<kept::flat::Flat, kept::now::Flat>(),
        shape_of::<kept::flat::Flat>()
    );
    assert_ne!(
        shape_of_past::<kept::FlatV1, kept::now::Flat>(),
        shape_of::<kept::now::Flat>()
    );
}
