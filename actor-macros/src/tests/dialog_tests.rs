//! What `#[dialog_test]` makes of a function, and what it says of one that it cannot take.

use crate::dialog_test::expand;

fn expanded(args: &str, item: &str) -> String {
    let tokens = expand(
        args.parse().expect("arguments"),
        &item.parse().expect("item"),
    );
    prettyplease::unparse(&syn::parse2(tokens).expect("items"))
}

fn refused(args: &str, item: &str) -> String {
    let text = expanded(args, item);
    assert!(text.contains("compile_error"), "{text}");
    text
}

#[test]
fn a_function_of_a_world_becomes_a_test_of_many() {
    expect_test::expect![[r#"
        #[ignore]
        #[::core::prelude::v1::test]
        fn it_sells() {
            fn it_sells(world: &mut World) {
                sell(world);
            }
            ::actor_core::world::Seeds::first(500u64)
                .named(
                    ::core::env!("CARGO_PKG_NAME"),
                    ::core::concat!(::core::module_path!(), "::", ::core::stringify!(it_sells)),
                )
                .run(it_sells);
        }
    "#]]
    .assert_eq(&expanded(
        "seeds = 500",
        "#[ignore] fn it_sells(world: &mut World) { sell(world); }",
    ));
}

#[test]
fn a_result_is_a_panic_and_the_crate_may_have_another_name() {
    let text = expanded(
        "crate = ::durable",
        "fn it_sells(world: &mut World) -> Result<(), Error> { sell(world) }",
    );
    assert!(
        text.contains("::durable::world::Seeds::first(100u64)"),
        "{text}"
    );
    assert!(text.contains("panic!(\"{error:?}\")"), "{text}");
}

#[test]
fn a_mistake_is_one_error_with_the_way_out() {
    let good = "fn it_sells(world: &mut World) {}";
    for (args, item, says) in [
        ("seeds = 0", good, "write `seeds = 500`"),
        ("sedes = 5", good, "known are seeds, crate"),
        ("", "async fn it(world: &mut World) {}", "world.run("),
        ("", "fn it() {}", "a plain function of one world"),
        (
            "",
            "fn it(world: World) {}",
            "a plain function of one world",
        ),
        (
            "",
            "fn it(a: &mut World, b: u8) {}",
            "a plain function of one world",
        ),
        ("", "struct It;", "a plain function of one world"),
        (
            "",
            "#[test] fn it(world: &mut World) {}",
            "leave `#[test]` out",
        ),
    ] {
        let text = refused(args, item);
        assert!(text.contains(says), "{item}: {text}");
        assert_eq!(text.matches("compile_error").count(), 1, "{text}");
    }
}
