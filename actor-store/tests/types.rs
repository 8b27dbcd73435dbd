//! Which types a store holds, and what a program with others is told.
#![cfg(feature = "test-util")]

mod support;

use actor_store::{Crash, OpenError, TypeKind, TypeRecord};
use support::{fresh, open};

fn checkout(version: u32, shape: u64, past: &[(u32, u64)]) -> [TypeRecord; 1] {
    [TypeRecord {
        name: "Checkout".to_owned(),
        version,
        shape,
        past: past.to_vec(),
        kind: TypeKind::State,
    }]
}

#[test]
fn a_changed_type_is_refused_whatever_its_version_says_as_long_as_the_store_holds_it() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        let held = &mut |_: &TypeRecord, _| Ok(3);
        store.check_types(&checkout(1, 7, &[]), held).expect("new");
        let commits = store.stats().commits;
        store.check_types(&checkout(1, 7, &[]), held).expect("same");
        assert_eq!(
            store.stats().commits,
            commits,
            "nothing new, nothing written"
        );
        let again = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        let refused = again.check_types(&checkout(1, 8, &[]), held);
        let refused = refused.expect_err("changed");
        assert!(matches!(refused, OpenError::TypeChanged { .. }));
        assert!(
            refused
                .to_string()
                .contains("say `version = 2, from = CheckoutV1`"),
            "{refused}"
        );
        let refused = again.check_types(&checkout(2, 8, &[]), held);
        let refused = refused.expect_err("changed");
        assert!(matches!(
            refused,
            OpenError::TypeOlder {
                stored: 1,
                held: 3,
                ..
            }
        ));
        assert!(
            refused.to_string().contains("add `from(1 => CheckoutV1)`"),
            "{refused}"
        );
        let refused = again.check_types(&checkout(2, 8, &[(1, 9)]), held);
        assert!(matches!(
            refused.expect_err("another past"),
            OpenError::TypePastDiffers { version: 1, .. }
        ));
        again
            .check_types(&checkout(2, 7, &[]), held)
            .expect("the same under a new version");
        let refused = again.check_types(&checkout(1, 7, &[]), held);
        assert!(matches!(
            refused.expect_err("older than the store"),
            OpenError::TypeNewer {
                stored: 2,
                known: 1,
                ..
            }
        ));
        // Of what nothing is left nothing can be misread.
        let nothing = &mut |_: &TypeRecord, _| Ok(0);
        again
            .check_types(&checkout(2, 8, &[]), nothing)
            .expect("nothing of it is left");
        again
            .check_types(&checkout(1, 7, &[]), nothing)
            .expect("and nothing of a newer version");
    });
}

#[test]
fn earlier_versions_stay_listed_until_a_start_that_cannot_read_them_finds_none() {
    support::with_each_journal(|| {
        let (disk, store) = fresh();
        let held = &mut |_: &TypeRecord, _| Ok(1);
        store.check_types(&checkout(1, 7, &[]), held).expect("new");
        store
            .check_types(&checkout(2, 8, &[(1, 7)]), held)
            .expect("version 1 is read");
        store
            .check_types(&checkout(3, 9, &[(1, 7), (2, 8)]), held)
            .expect("both are read");
        drop(store);
        let store = open(&disk.crash(Crash::LoseUnsynced)).expect("open");
        let refused = store.check_types(&checkout(3, 9, &[(2, 8)]), held);
        assert!(matches!(
            refused.expect_err("version 1 may still lie here"),
            OpenError::TypeOlder { stored: 1, .. }
        ));
        let mut asked = Vec::new();
        store
            .check_types(&checkout(3, 9, &[(2, 8)]), &mut |_, version| {
                asked.push(version);
                Ok(0)
            })
            .expect("nothing of version 1 is left");
        assert_eq!(asked, [1]);
        // And it is not asked for again.
        store
            .check_types(&checkout(3, 9, &[(2, 8)]), held)
            .expect("version 1 is not listed any more");
    });
}

#[test]
fn a_version_counted_up_without_keeping_the_old_struct_reads_what_was_before() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        let held = &mut |_: &TypeRecord, _| Ok(1);
        store.check_types(&checkout(1, 7, &[]), held).expect("new");
        store
            .check_types(&checkout(2, 7, &[]), held)
            .expect("the same layout");
        // Records of version 1 are of version 2 as well, so the one line covers both.
        store
            .check_types(&checkout(3, 8, &[(2, 7)]), held)
            .expect("both are read as version 2");
    });
}

#[test]
fn a_message_that_changed_is_refused_while_dialogs_live() {
    support::with_each_journal(|| {
        let (_, store) = fresh();
        let pay = |shape| {
            [TypeRecord {
                name: "Checkout.pay".to_owned(),
                version: 1,
                shape,
                past: Vec::new(),
                kind: TypeKind::Message,
            }]
        };
        store.check_types(&pay(1), &mut |_, _| Ok(4)).expect("new");
        let refused = store.check_types(&pay(2), &mut |_, _| Ok(4));
        assert!(matches!(
            refused.expect_err("changed"),
            OpenError::MessageChanged { held: 4, .. }
        ));
        store
            .check_types(&pay(2), &mut |_, _| Ok(0))
            .expect("nobody has it under way");
    });
}
