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
            version: 3u32,
            kept: ::actor_core::__private::Kept::Durable,
            accepts: &[0x1f],
            fingerprint: ::actor_core::__private::Fingerprint::of::<Self>(),
            first: __first::<Self>(),
            established: &[
                ::actor_core::__private::HandlerInfo {
                    name: "pay",
                    kind: ::actor_core::__private::HandlerKind::Change,
                    order: ::actor_core::__private::MessageOrder::History,
                    signature: "(card: Card) -> Later<Result<Receipt, Declined>>",
                },
                ::actor_core::__private::HandlerInfo {
                    name: "item_count",
                    kind: ::actor_core::__private::HandlerKind::Read,
                    order: ::actor_core::__private::MessageOrder::History,
                    signature: "() -> usize",
                },
                #[cfg(feature = "gifts")]
                ::actor_core::__private::HandlerInfo {
                    name: "wrap",
                    kind: ::actor_core::__private::HandlerKind::Change,
                    order: ::actor_core::__private::MessageOrder::History,
                    signature: "(arg0: (Paper, Option<Ribbon>), arg1: Self)",
                },
                ::actor_core::__private::HandlerInfo {
                    name: "cancel",
                    kind: ::actor_core::__private::HandlerKind::Close,
                    order: ::actor_core::__private::MessageOrder::History,
                    signature: "() -> Option<Refund>",
                },
            ],
            events: ::core::option::Option::None,
            initiation: __initiation::<Self>(),
            silence: ::core::time::Duration::from_millis(172800000),
            lifetime: ::core::time::Duration::from_millis(31536000000),
        }
    };
    const __ON_POISON: ::actor_core::__private::OnPoison = ::actor_core::__private::OnPoison::Hold;
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
        match __dialog_call.handler() {
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("pay") } => {
                let (__dialog_arg0,) = __dialog_call.args::<(Card,)>("pay")?;
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.as_mut()
                else {
                    return ::core::result::Result::Err(
                        __dialog_call.unknown("Checkout"),
                    );
                };
                let __dialog_answer = Self::pay(
                    __dialog_this,
                    __dialog_cx,
                    __dialog_arg0,
                );
                ::actor_core::__private::Handled::later_result(__dialog_answer)
            }
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("item_count") } => {
                let () = __dialog_call.args::<()>("item_count")?;
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.as_ref()
                else {
                    return ::core::result::Result::Err(
                        __dialog_call.unknown("Checkout"),
                    );
                };
                let __dialog_answer = Self::item_count(__dialog_this);
                ::actor_core::__private::Handled::value(&__dialog_answer)
                    .map(::actor_core::__private::Handled::read_only)
            }
            #[cfg(feature = "gifts")]
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("wrap") } => {
                let (__dialog_arg0, __dialog_arg1) = __dialog_call
                    .args::<((Paper, Option<Ribbon>), Checkout)>("wrap")?;
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.as_mut()
                else {
                    return ::core::result::Result::Err(
                        __dialog_call.unknown("Checkout"),
                    );
                };
                let __dialog_answer = Self::wrap(
                    __dialog_this,
                    __dialog_arg0,
                    __dialog_arg1,
                );
                ::actor_core::__private::Handled::value(&__dialog_answer)
            }
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("cancel") } => {
                let () = __dialog_call.args::<()>("cancel")?;
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.take()
                else {
                    return ::core::result::Result::Err(
                        __dialog_call.unknown("Checkout"),
                    );
                };
                let __dialog_answer = Self::cancel(__dialog_this, __dialog_cx);
                ::actor_core::__private::Handled::value(&__dialog_answer)
            }
            _ => ::core::result::Result::Err(__dialog_call.unknown("Checkout")),
        }
    }
    fn __resume(
        __dialog_state: &mut ::core::option::Option<Self>,
        __dialog_cx: &mut ::actor_core::__private::Cx<'_, Self>,
        __dialog_resumed: ::actor_core::__private::Resumed<'_>,
    ) -> ::core::result::Result<(), ::actor_core::__private::Unfit> {
        match __dialog_resumed.resume() {
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("authorized") } => {
                let __dialog_answer = __dialog_resumed
                    .answer::<
                        Answer<(Authorization, DialogRef<Account>), Declined>,
                    >("authorized")?;
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.as_mut()
                else {
                    return ::core::result::Result::Err(
                        __dialog_resumed.unknown("Checkout"),
                    );
                };
                Self::authorized(__dialog_this, __dialog_cx, __dialog_answer);
                ::core::result::Result::Ok(())
            }
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("booked") } => {
                let __dialog_answer = __dialog_resumed
                    .answer::<Answer<Booking>>("booked")?;
                let __dialog_context = __dialog_resumed.context::<Leg>("booked")?;
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.as_mut()
                else {
                    return ::core::result::Result::Err(
                        __dialog_resumed.unknown("Checkout"),
                    );
                };
                Self::booked(
                    __dialog_this,
                    __dialog_cx,
                    __dialog_answer,
                    __dialog_context,
                );
                ::core::result::Result::Ok(())
            }
            __dialog_id if __dialog_id
                == const { ::actor_core::__private::handler_id("remind") } => {
                let ::core::option::Option::Some(__dialog_this) = __dialog_state.as_mut()
                else {
                    return ::core::result::Result::Err(
                        __dialog_resumed.unknown("Checkout"),
                    );
                };
                Self::remind(__dialog_this, __dialog_cx);
                ::core::result::Result::Ok(())
            }
            _ => ::core::result::Result::Err(__dialog_resumed.unknown("Checkout")),
        }
    }
    fn __abandoned(
        self,
        __dialog_cx: &mut ::actor_core::__private::Cx<'_, Self>,
        __dialog_why: ::actor_core::__private::Abandoned,
    ) {
        Self::abandoned(self, __dialog_cx, __dialog_why)
    }
    fn __earlier(
        __dialog_stored: ::actor_core::__private::Stored<'_>,
    ) -> ::core::result::Result<Self, ::actor_core::__private::Unfit> {
        match __dialog_stored.version() {
            1u32 => {
                ::core::result::Result::Ok(
                    <Self as ::core::convert::From<
                        CheckoutV1,
                    >>::from(__dialog_stored.read::<CheckoutV1>()?),
                )
            }
            2u32 => {
                ::core::result::Result::Ok(
                    <Self as ::core::convert::From<
                        v2::Checkout,
                    >>::from(__dialog_stored.read::<v2::Checkout>()?),
                )
            }
            _ => ::core::result::Result::Err(__dialog_stored.unknown("Checkout")),
        }
    }
    fn __types(__dialog_types: &mut ::actor_core::__private::Types) {
        __dialog_types.state::<Self>("Checkout", 3u32);
        __dialog_types.past::<CheckoutV1, Self>("Checkout", 1u32);
        __dialog_types.past::<v2::Checkout, Self>("Checkout", 2u32);
        __dialog_types.handler::<(Card,), Receipt, Declined>("pay");
        __dialog_types
            .handler::<(), usize, ::actor_core::__private::Infallible>("item_count");
        #[cfg(feature = "gifts")]
        __dialog_types
            .handler::<
                ((Paper, Option<Ribbon>), Checkout),
                (),
                ::actor_core::__private::Infallible,
            >("wrap");
        __dialog_types
            .handler::<
                (),
                Option<Refund>,
                ::actor_core::__private::Infallible,
            >("cancel");
        __dialog_types
            .resume::<
                Answer<(Authorization, DialogRef<Account>), Declined>,
                (),
            >("authorized");
        __dialog_types.resume::<Answer<Booking>, Leg>("booked");
        __dialog_types.timer::<()>("remind");
        __dialog_types.uses::<Catalog>();
        __dialog_types.uses::<Stripe>();
        __dialog_types.table(LEDGER);
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
    /// Pays.
    pub fn pay(
        &self,
        card: Card,
    ) -> ::actor_core::__private::Request<P, Receipt, Declined> {
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
    #[cfg(feature = "gifts")]
    pub(crate) fn wrap(
        &self,
        arg0: (Paper, Option<Ribbon>),
        arg1: Checkout,
    ) -> ::actor_core::__private::Request<P, (), ::actor_core::__private::Infallible> {
        ::actor_core::__private::Request::ask(
            ::actor_core::__private::Port::fork(&self.port),
            ::actor_core::__private::Encoded::new("wrap", &(arg0, arg1)),
        )
    }
    pub fn cancel(
        self,
    ) -> ::actor_core::__private::Request<
        P,
        Option<Refund>,
        ::actor_core::__private::Infallible,
    > {
        ::actor_core::__private::Request::ask(
            self.port,
            ::actor_core::__private::Encoded::new("cancel", &()).closing(),
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
    const AUTHORIZED: ::actor_core::__private::Resume<
        Self,
        <Answer<
            (Authorization, DialogRef<Account>),
            Declined,
        > as ::actor_core::__private::IsAnswer>::Ok,
        <Answer<
            (Authorization, DialogRef<Account>),
            Declined,
        > as ::actor_core::__private::IsAnswer>::Err,
    > = ::actor_core::__private::Resume::new("authorized");
    const BOOKED: ::actor_core::__private::Resume<
        Self,
        <Answer<Booking> as ::actor_core::__private::IsAnswer>::Ok,
        <Answer<Booking> as ::actor_core::__private::IsAnswer>::Err,
        Leg,
    > = ::actor_core::__private::Resume::new("booked");
    pub const REMIND: ::actor_core::__private::Timer<Self> = ::actor_core::__private::Timer::new(
        "remind",
    );
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
        __durable::<Receipt>();
        __refusal::<Declined>();
        __durable::<usize>();
        #[cfg(feature = "gifts")] __durable::<(Paper, Option<Ribbon>)>();
        #[cfg(feature = "gifts")] __durable::<Checkout>();
        __durable::<Option<Refund>>();
    }
};
