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
impl ::actor_core::__private::Dialog for Checkout {
    const CONTRACT: ::actor_core::__private::Contract = {
        const fn __first<__D: ::actor_core::__private::Dialog>() -> &'static [::actor_core::__private::HandlerInfo] {
            <__D::Pending as ::actor_core::__private::Pending>::FIRST
        }
        const fn __initiation<__D: ::actor_core::__private::Dialog>() -> ::core::time::Duration {
            <__D::Pending as ::actor_core::__private::Pending>::TIMEOUT
        }
        ::actor_core::__private::Contract {
            name: "Checkout",
            version: 1u32,
            kept: ::actor_core::__private::Kept::Durable,
            accepts: &[],
            fingerprint: ::actor_core::__private::Fingerprint::of::<Self>(),
            first: __first::<Self>(),
            established: &[],
            events: ::core::option::Option::None,
            initiation: __initiation::<Self>(),
            silence: ::core::time::Duration::from_millis(172800000),
            lifetime: ::core::time::Duration::from_millis(946080000000),
        }
    };
    type Pending = Cart;
    type Client<P: ::actor_core::__private::Port> = CheckoutClient<P>;
    fn __handle(
        __dialog_state: &mut ::core::option::Option<Self>,
        __dialog_cx: &mut ::actor_core::__private::Cx<'_, Self>,
        __dialog_call: ::actor_core::__private::Call<'_>,
    ) -> ::core::result::Result<
        ::actor_core::__private::Handled,
        ::actor_core::__private::Unfit,
    > {
        ::core::unreachable!()
    }
    fn __resume(
        __dialog_state: &mut ::core::option::Option<Self>,
        __dialog_cx: &mut ::actor_core::__private::Cx<'_, Self>,
        __dialog_resumed: ::actor_core::__private::Resumed<'_>,
    ) -> ::core::result::Result<(), ::actor_core::__private::Unfit> {
        ::core::unreachable!()
    }
    fn __types(__dialog_types: &mut ::actor_core::__private::Types) {
        ::core::unreachable!()
    }
}
///An established `Checkout`, as its partner talks to it.
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
pub struct CheckoutClient<P = ::actor_core::__private::Remote> {
    port: P,
}
#[automatically_derived]
impl<P: ::actor_core::__private::Port> ::actor_core::__private::FromPort<P>
for CheckoutClient<P> {
    fn from_port(__dialog_port: P) -> Self {
        Self { port: __dialog_port }
    }
}
#[automatically_derived]
impl<P> ::core::fmt::Debug for CheckoutClient<P> {
    fn fmt(&self, __dialog_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        __dialog_f.write_str("CheckoutClient")
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
impl<P: ::actor_core::__private::Port> CheckoutClient<P> {
    pub fn pay(
        &self,
        card: Card,
    ) -> ::actor_core::__private::Request<
        P,
        Receipt,
        ::actor_core::__private::Infallible,
    > {
        ::actor_core::__private::Request::ask(
            ::actor_core::__private::Port::fork(&self.port),
            ::actor_core::__private::Encoded::new("pay", &(card,)),
        )
    }
    pub fn item_count(
        &self,
    ) -> ::actor_core::__private::Request<
        P,
        usize,
        ::actor_core::__private::Infallible,
    > {
        ::actor_core::__private::Request::ask(
            ::actor_core::__private::Port::fork(&self.port),
            ::actor_core::__private::Encoded::new("item_count", &()),
        )
    }
    pub fn name(
        &self,
        as_of: &str,
    ) -> ::actor_core::__private::Request<
        P,
        String,
        ::actor_core::__private::Infallible,
    > {
        ::actor_core::__private::Request::ask(
            ::actor_core::__private::Port::fork(&self.port),
            ::actor_core::__private::Encoded::new("name", &(as_of,)),
        )
    }
    /// The plumbing's side of this dialog: its id, what is known of the newest message, and how to end it.
    pub fn dialog(&self) -> ::actor_core::__private::Partner<'_, P> {
        ::actor_core::__private::Partner::new(&self.port)
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
impl Checkout {
    const PAID: ::actor_core::__private::Resume<
        Self,
        <Answer<Receipt> as ::actor_core::__private::IsAnswer>::Ok,
        <Answer<Receipt> as ::actor_core::__private::IsAnswer>::Err,
    > = ::actor_core::__private::Resume::new("paid");
}
::core::compile_error! {
    "handlers run inside the commit and must not await; ask a partner and `.then(..)` instead"
}
::core::compile_error! {
    "an argument travels and is kept, so it cannot be borrowed: take it by value (`String` for `&str`, `Vec<T>` for `&[T]`)"
}
