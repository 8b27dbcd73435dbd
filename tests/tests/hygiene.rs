//! x
#![no_implicit_prelude]
#![deny(warnings)]
mod shop {
    use ::actor_core::prelude::dialog;
    #[allow(dead_code, missing_debug_implementations)]
    pub(crate) struct Result;
    #[derive(
        ::core::fmt::Debug, ::core::default::Default, ::serde::Serialize, ::serde::Deserialize,
    )]
    pub(super) struct P(u8);
    #[derive(
        ::core::fmt::Debug, ::core::default::Default, ::serde::Serialize, ::serde::Deserialize,
    )]
    pub(super) struct Cart(u8);
    #[derive(::core::fmt::Debug, ::serde::Serialize, ::serde::Deserialize)]
    pub(super) struct Checkout(u8);
    #[dialog(pending, timeout = "1h", version = 3)]
    impl Cart {
        #[handler]
        fn add(&mut self, p: P, (a, b): (u8, u8), _: u8, mut port: u8) {
            port += 1;
            self.0 += p.0 + a + b + port;
        }
        #[handler(currency)]
        fn limit(&mut self, p: P) {
            self.0 = p.0;
        }
        #[handler]
        fn price(
            &self,
            cx: &::actor_core::prelude::PendingCx<'_>,
        ) -> ::core::result::Result<u8, P> {
            let _ = cx;
            ::core::result::Result::Ok(self.0)
        }
        #[establish]
        fn establish(self) -> Checkout {
            Checkout(self.0)
        }
    }
    #[dialog(pending = Cart, timeout = "1h", events(currency) = P)]
    impl Checkout {
        #[handler]
        fn r#type(&mut self, other: Self) -> ::core::option::Option<Self> {
            self.0 += other.0;
            ::core::option::Option::None
        }
        #[cfg(any())]
        #[handler]
        fn gone(&mut self, x: Nowhere) -> Nothing {
            x
        }
        #[handler]
        fn both(
            &mut self,
            cx: &mut ::actor_core::prelude::Cx<'_, Self>,
        ) -> ::actor_core::prelude::Later<::core::result::Result<u8, P>> {
            cx.after(::core::time::Duration::from_secs(1), Self::REMIND);
            cx.later().0
        }
        #[resume]
        fn remind(&self) {}
        #[handler(currency)]
        fn weight(&mut self, cx: &mut ::actor_core::prelude::Cx<'_, Self>, r#in: u8) {
            cx.tell(P(r#in));
        }
        #[cfg(any())]
        #[handler(currency)]
        fn weightless(&mut self, x: Nowhere) {}
        #[handler]
        fn bye(self) {}
        #[abandoned]
        fn lost(self) {}
    }
}

#[test]
fn a_dialog_needs_nothing_in_scope_but_its_attribute() {
    let contract = <shop::Checkout as ::actor_core::Dialog>::CONTRACT;
    let printed = ::std::format!("{contract}");
    ::core::assert!(printed.starts_with("dialog `Checkout` version"));
}
