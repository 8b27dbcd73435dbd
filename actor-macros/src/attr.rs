//! The arguments of `#[dialog(..)]`.
//!
//! Owns their syntax and their meaning one by one; which of them a block needs is [`check`](crate::check)'s.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::{
    Expr, Ident, LitInt, LitStr, Path, Token, Type,
    ext::IdentExt,
    parenthesized,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
    token::Paren,
};

use crate::{duration, errors::Errors};

const KNOWN: [&str; 13] = [
    "pending",
    "timeout",
    "lifetime",
    "on_poison",
    "name",
    "version",
    "from",
    "accepts",
    "volatile",
    "events",
    "uses",
    "tables",
    "crate",
];

/// The half of a dialog that a block describes.
pub(crate) enum Half {
    /// `#[dialog(pending)]`: the first messages.
    Pending,
    /// `#[dialog(pending = Cart)]`, or without it: the plumbing shakes hands.
    Established { pending: Option<Box<Type>> },
}

/// An earlier version of the state.
pub(crate) struct Past {
    /// Not given where there is one only: it is the version before this one.
    pub(crate) version: Option<LitInt>,
    pub(crate) ty: Type,
}

/// What the target of a dialog says unasked.
pub(crate) struct Events {
    pub(crate) ty: Type,
    /// The newest counts; otherwise each does.
    pub(crate) currency: bool,
}

/// What becomes of a message that cannot be handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnPoison {
    /// Its dialog ends.
    #[default]
    Fail,
    /// It waits for an operator.
    Hold,
}

/// The arguments of one `#[dialog(..)]`.
pub(crate) struct Args {
    pub(crate) half: Half,
    /// Milliseconds; with its place.
    pub(crate) timeout: Option<u64>,
    pub(crate) lifetime: Option<(u64, Span)>,
    /// What becomes of a message that cannot be handled; with its place.
    pub(crate) on_poison: Option<(OnPoison, Span)>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<u32>,
    /// `version`, `from` and `accepts`, in case they do not fit.
    pub(crate) version_span: Option<Span>,
    pub(crate) past: Vec<Past>,
    /// Fingerprints of earlier contracts.
    pub(crate) accepts: Vec<LitInt>,
    pub(crate) volatile: Option<Span>,
    pub(crate) events: Option<Events>,
    pub(crate) uses: Vec<Type>,
    pub(crate) tables: Vec<Expr>,
    /// A timeout was given and is wrong, which has been said.
    pub(crate) timeout_is_wrong: bool,
    krate: Option<Path>,
    seen: Vec<String>,
}

impl Args {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            half: Half::Established { pending: None },
            timeout: None,
            lifetime: None,
            on_poison: None,
            name: None,
            version: None,
            version_span: None,
            past: Vec::new(),
            accepts: Vec::new(),
            volatile: None,
            events: None,
            uses: Vec::new(),
            tables: Vec::new(),
            timeout_is_wrong: false,
            krate: None,
            seen: Vec::new(),
        };
        let parsed = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.argument(input, errors) {
                    errors.push(error);
                    skip_argument(input);
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parsed.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    /// Where everything that an expansion calls is found.
    pub(crate) fn private(&self) -> TokenStream {
        self.krate.as_ref().map_or_else(
            || quote! { ::actor_core::__private },
            |path| quote! { #path::__private },
        )
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.half, Half::Pending)
    }

    fn argument(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = input.call(Ident::parse_any)?;
        let name = key.unraw().to_string();
        if self.seen.contains(&name) {
            return Err(syn::Error::new(
                key.span(),
                format!("`{name}` is given twice: keep one"),
            ));
        }
        match name.as_str() {
            "pending" if input.peek(Token![=]) => {
                self.half = Half::Established {
                    pending: Some(value(input)?),
                }
            }
            "pending" => self.half = Half::Pending,
            "timeout" => {
                self.timeout_is_wrong = true;
                self.timeout = Some(span_of_time(&key, input)?.0);
            }
            "lifetime" => self.lifetime = Some(span_of_time(&key, input)?),
            "on_poison" => {
                let text: LitStr = value(input)?;
                let on_poison = match text.value().as_str() {
                    "fail" => OnPoison::Fail,
                    "hold" => OnPoison::Hold,
                    _ => {
                        let says = "what cannot be handled ends its dialog, `on_poison = \"fail\"`, or waits for an operator, `on_poison = \"hold\"`";
                        return Err(syn::Error::new(text.span(), says));
                    }
                };
                self.on_poison = Some((on_poison, text.span()));
            }
            "name" => {
                let text: LitStr = value(input)?;
                if text.value().is_empty() || text.value().len() > 255 {
                    errors.at(
                        &text,
                        "the name of a dialog has 1 to 255 bytes: it is what an initiator asks for",
                    );
                }
                self.name = Some(text);
            }
            "version" => {
                let number: LitInt = value(input)?;
                let parsed = number
                    .base10_parse::<u32>()
                    .ok()
                    .filter(|version| *version > 0);
                if parsed.is_none() {
                    errors.at(
                        &number,
                        "versions are whole numbers from 1 up: write `version = 2`",
                    );
                }
                self.version = parsed;
                self.version_span = Some(key.span());
            }
            "from" if input.peek(Token![=]) => {
                self.past = vec![Past {
                    version: None,
                    ty: value(input)?,
                }];
            }
            "from" => self.past = list(input)?,
            "accepts" => self.accepts = list(input)?,
            "volatile" => self.volatile = Some(key.span()),
            "events" => self.events = Some(events(input)?),
            "uses" => self.uses = list(input)?,
            "tables" => self.tables = list(input)?,
            "crate" => self.krate = Some(value(input)?),
            _ => return Err(syn::Error::new(key.span(), unknown(&name))),
        }
        self.seen.push(name);
        Ok(())
    }
}

impl syn::parse::Parse for Past {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let version = if input.peek(LitInt) {
            let version = input.parse()?;
            input.parse::<Token![=>]>()?;
            Some(version)
        } else {
            None
        };
        Ok(Self {
            version,
            ty: input.parse()?,
        })
    }
}

/// `events = Progress`, or `events(currency) = Progress` where only the newest counts.
fn events(input: ParseStream<'_>) -> syn::Result<Events> {
    let currency = input.peek(Paren);
    if currency {
        let content;
        parenthesized!(content in input);
        let order: Ident = content.call(Ident::parse_any)?;
        if order != "currency" || !content.is_empty() {
            return Err(syn::Error::new(
                order.span(),
                "events are history, each of them, or currency, the newest: write `events = Progress` or `events(currency) = Progress`",
            ));
        }
    }
    Ok(Events {
        ty: value(input)?,
        currency,
    })
}

fn value<T: syn::parse::Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn list<T: syn::parse::Parse>(input: ParseStream<'_>) -> syn::Result<Vec<T>> {
    let content;
    parenthesized!(content in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&content)?
        .into_iter()
        .collect())
}

fn span_of_time(key: &Ident, input: ParseStream<'_>) -> syn::Result<(u64, Span)> {
    let as_text = || format!("write the duration as text: `{key} = \"30m\"`");
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(key.span(), as_text()));
    }
    input.parse::<Token![=]>()?;
    let text: LitStr = input
        .parse()
        .map_err(|error: syn::Error| syn::Error::new(error.span(), as_text()))?;
    let millis =
        duration::millis(&text.value()).map_err(|why| syn::Error::new(text.span(), why))?;
    Ok((millis, text.span()))
}

fn unknown(name: &str) -> String {
    let likely = KNOWN
        .iter()
        .map(|known| (distance(known, name), known))
        .min();
    match likely {
        Some((1..=2, known)) => format!(
            "unknown argument `{name}`: did you mean `{known}`? Known are {}",
            KNOWN.join(", ")
        ),
        _ => format!("unknown argument `{name}`: known are {}", KNOWN.join(", ")),
    }
}

/// How many letters have to be changed.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for at in 0..right.len() {
            let change = diagonal + usize::from(letter != right[at]);
            diagonal = row[at + 1];
            row[at + 1] = change.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[right.len()]
}

fn skip_argument(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
