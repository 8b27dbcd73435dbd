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
impl ::actor_core::__private::Dialog for Counter {
    const CONTRACT: ::actor_core::__private::Contract = {
        const fn __first<__D: ::actor_core::__private::Dialog>() -> &'static [::actor_core::__private::HandlerInfo] {
            <__D::Pending as ::actor_core::__private::Pending>::FIRST
        }
        const fn __initiation<__D: ::actor_core::__private::Dialog>() -> ::core::time::Duration {
            <__D::Pending as ::actor_core::__private::Pending>::TIMEOUT
        }
        ::actor_core::__private::Contract {
            name: "Counter",
            version: 1u32,
            kept: ::actor_core::__private::Kept::Durable,
            accepts: &[],
            fingerprint: ::actor_core::__private::Fingerprint::of::<Self>(),
            first: __first::<Self>(),
            established: &[
                ::actor_core::__private::HandlerInfo {
                    name: "increment",
                    kind: ::actor_core::__private::HandlerKind::Change,
                    order: ::actor_core::__private::MessageOrder::History,
                    signature: "() -> u64",
                },
            ],
            events: ::core::option::Option::None,
            initiation: __initiation::<Self>(),
            silence: ::core::time::Duration::from_millis(946080000000),
            lifetime: ::core::time::Duration::from_millis(946080000000),
        }
    };
    type Pending = ::actor_core::__private::Handshake<Self>;
    type Client<P: ::actor_core::__private::Port> = CounterClient<P>;
    fn __handle(
        __dialog_state: &mut ::core::option::Option<Self>,
        __dialog_cx: &mut ::actor_core::__private::Cx<'_, Self>,
        __dialog_call: ::actor_core::__private::Call<'_>,
    ) -> ::core::result::Result<
        ::actor_core::__private::Handled,
        ::actor_core::__private::Unfit,
    > {
        match __dialog_call.handler() {
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("increment") } => {
                let () = __dialog_call.args::<()>("increment")?;
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.as_mut()
                else {
                    return ::core::result::Result::Err(__dialog_call.unknown("Counter"));
                };
                let __dialog_answer = Self::increment(__dialog_this);
                ::actor_core::__private::Handled::value(&__dialog_answer)
            }
            _ => ::core::result::Result::Err(__dialog_call.unknown("Counter")),
        }
    }
    fn __resume(
        __dialog_state: &mut ::core::option::Option<Self>,
        __dialog_cx: &mut ::actor_core::__private::Cx<'_, Self>,
        __dialog_resumed: ::actor_core::__private::Resumed<'_>,
    ) -> ::core::result::Result<(), ::actor_core::__private::Unfit> {
        match __dialog_resumed.resume() {
            _ => ::core::result::Result::Err(__dialog_resumed.unknown("Counter")),
        }
    }
    fn __types(__dialog_types: &mut ::actor_core::__private::Types) {
        __dialog_types.state::<Self>("Counter", 1u32);
        __dialog_types
            .handler::<(), u64, ::actor_core::__private::Infallible>("increment");
    }
}
///An established `Counter`, as its partner talks to it.
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
pub struct CounterClient<P = ::actor_core::__private::Remote> {
    port: P,
}
#[automatically_derived]
impl<P: ::actor_core::__private::Port> ::actor_core::__private::FromPort<P>
for CounterClient<P> {
    fn from_port(__dialog_port: P) -> Self {
        Self { port: __dialog_port }
    }
}
#[automatically_derived]
impl<P> ::core::fmt::Debug for CounterClient<P> {
    fn fmt(&self, __dialog_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        __dialog_f.write_str("CounterClient")
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
impl<P: ::actor_core::__private::Port> CounterClient<P> {
    fn increment(
        &self,
    ) -> ::actor_core::__private::Request<P, u64, ::actor_core::__private::Infallible> {
        ::actor_core::__private::Request::ask(
            ::actor_core::__private::Port::fork(&self.port),
            ::actor_core::__private::Encoded::new("increment", &()),
        )
    }
    /// The plumbing's side of this dialog: its id, what is known of the newest message, and how to end it.
    pub fn dialog(&self) -> ::actor_core::__private::Partner<'_, P> {
        ::actor_core::__private::Partner::new(&self.port)
    }
    /// What the partner says unasked, from now on.
    pub fn events(&self) -> ::actor_core::__private::Events<P, Counter>
    where
        P: ::actor_core::__private::Hears<Counter>,
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
        __durable::<u64>();
    }
};
