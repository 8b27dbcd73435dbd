#[automatically_derived]
#[allow(
    missing_docs,
    unreachable_pub,
    private_interfaces,
    private_bounds,
    deprecated,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
impl ::actor_core::__private::Pending for Cart {
    type Established = Checkout;
    type Opening<P: ::actor_core::__private::Port> = CartOpening<P>;
    const MODE: ::actor_core::__private::Mode = ::actor_core::__private::Mode::Pending;
    const TIMEOUT: ::core::time::Duration = ::core::time::Duration::from_millis(1800000);
    const VERSION: u32 = 1u32;
    const FIRST: &'static [::actor_core::__private::HandlerInfo] = &[
        ::actor_core::__private::HandlerInfo {
            name: "add_item",
            kind: ::actor_core::__private::HandlerKind::Change,
            order: ::actor_core::__private::MessageOrder::History,
            signature: "(sku: Sku, quantity: u32)",
        },
        ::actor_core::__private::HandlerInfo {
            name: "quote",
            kind: ::actor_core::__private::HandlerKind::Read,
            order: ::actor_core::__private::MessageOrder::History,
            signature: "() -> Result<Money, UnknownSku>",
        },
    ];
    fn __accumulate(
        &mut self,
        __dialog_cx: &::actor_core::__private::PendingCx<'_>,
        __dialog_call: ::actor_core::__private::Call<'_>,
    ) -> ::core::result::Result<
        ::actor_core::__private::Handled,
        ::actor_core::__private::Unfit,
    > {
        match __dialog_call.handler() {
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("add_item") } => {
                let (__dialog_arg0, __dialog_arg1) = __dialog_call
                    .args::<(Sku, u32)>("add_item")?;
                let __dialog_answer = Self::add_item(self, __dialog_arg0, __dialog_arg1);
                ::actor_core::__private::Handled::value(&__dialog_answer)
            }
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("quote") } => {
                let () = __dialog_call.args::<()>("quote")?;
                let __dialog_answer = Self::quote(self, __dialog_cx);
                ::actor_core::__private::Handled::result(&__dialog_answer)
                    .map(::actor_core::__private::Handled::read_only)
            }
            _ => {
                ::core::result::Result::Err(
                    __dialog_call
                        .unknown(
                            <Checkout as ::actor_core::__private::Dialog>::CONTRACT.name,
                        ),
                )
            }
        }
    }
    fn __establish(
        self,
        __dialog_cx: &mut ::actor_core::__private::Cx<'_, Checkout>,
    ) -> Checkout {
        Self::establish(self, __dialog_cx)
    }
    fn __types(__dialog_types: &mut ::actor_core::__private::Types) {
        __dialog_types.state::<Self>("Cart", 1u32);
        __dialog_types
            .handler::<(Sku, u32), (), ::actor_core::__private::Infallible>("add_item");
        __dialog_types.handler::<(), Money, UnknownSku>("quote");
    }
}
///The first messages of a dialog, as `Cart` takes them. One that wants an answer ends the opening.
#[must_use = "an opening is nothing yet: end it with a message that wants an answer, or with `.established()`"]
#[allow(
    missing_docs,
    unreachable_pub,
    private_interfaces,
    private_bounds,
    deprecated,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
pub struct CartOpening<P> {
    port: P,
}
#[automatically_derived]
impl<P: ::actor_core::__private::Port> ::actor_core::__private::FromPort<P>
for CartOpening<P> {
    fn from_port(__dialog_port: P) -> Self {
        Self { port: __dialog_port }
    }
}
#[automatically_derived]
impl<P> ::core::fmt::Debug for CartOpening<P> {
    fn fmt(&self, __dialog_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        __dialog_f.write_str("CartOpening")
    }
}
#[allow(
    missing_docs,
    unreachable_pub,
    private_interfaces,
    private_bounds,
    deprecated,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
#[allow(dead_code)]
impl<P: ::actor_core::__private::Port> CartOpening<P> {
    /// Puts a thing into the cart.
    pub fn add_item(mut self, sku: Sku, quantity: u32) -> Self {
        ::actor_core::__private::Port::tell(
            &mut self.port,
            ::actor_core::__private::Encoded::new("add_item", &(sku, quantity)),
        );
        self
    }
    /// What it would cost.
    pub fn quote(
        self,
    ) -> ::actor_core::__private::Request<
        P,
        (Money, P::Established<Checkout>),
        UnknownSku,
    > {
        ::actor_core::__private::opening::<
            P,
            Checkout,
            Money,
            UnknownSku,
        >(self.port, ::actor_core::__private::Encoded::new("quote", &()))
    }
    /// Ends an opening whose messages want no answer: what is left is to know that the partner is bound.
    pub fn established(
        self,
    ) -> ::actor_core::__private::Request<P, P::Established<Checkout>> {
        ::actor_core::__private::established::<P, Checkout>(self.port)
    }
    /// What the partner says unasked, from now on.
    pub fn events(&self) -> ::actor_core::__private::Events<P, Checkout>
    where
        P: ::actor_core::__private::Hears<Checkout>,
    {
        ::actor_core::__private::Events::new(
            ::actor_core::__private::Port::fork(&self.port),
        )
    }
}
#[allow(
    missing_docs,
    unreachable_pub,
    private_interfaces,
    private_bounds,
    deprecated,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
const _: () = {
    #[allow(dead_code)]
    fn __durable<__T: ::actor_core::__private::Durable>() {}
    #[allow(dead_code)]
    fn __refusal<
        __T: ::actor_core::__private::Durable + ::core::fmt::Debug + ::core::marker::Sync,
    >() {}
    #[allow(dead_code)]
    fn __bounds() {
        __durable::<Sku>();
        __durable::<u32>();
        __durable::<Money>();
        __refusal::<UnknownSku>();
    }
};
