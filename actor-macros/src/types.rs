//! What can be told of a type by its tokens, and only that: the macro sees no definitions.
//!
//! Owns the by-token rules; the generated calls stay the proof that a type is what it looks like.

use proc_macro2::{Group, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeReference};

/// The type behind invisible and visible parentheses.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

pub(crate) fn type_arguments(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter();
    types
        .filter_map(|argument| {
            if let GenericArgument::Type(ty) = argument {
                Some(ty)
            } else {
                None
            }
        })
        .collect()
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// `&Cx<..>`, `&mut Cx<..>`, `&PendingCx<..>`; an alias is known by its name's ending.
pub(crate) fn context_reference(ty: &Type) -> Option<(&TypeReference, bool)> {
    let Type::Reference(reference) = bare(ty) else {
        return None;
    };
    Some((reference, context_name(&reference.elem)?))
}

/// Whether the name says `PendingCx`, where it says any context at all.
pub(crate) fn context_name(ty: &Type) -> Option<bool> {
    let name = last_segment(ty)?.ident.to_string();
    name.ends_with("Cx").then(|| name.ends_with("PendingCx"))
}

/// Something in the type is borrowed, so it cannot be kept or sent.
pub(crate) fn borrows(ty: &Type) -> bool {
    let mut after_quote = false;
    any_token(ty.to_token_stream(), &mut |token| {
        let found = match token {
            TokenTree::Punct(punct) => punct.as_char() == '&',
            TokenTree::Ident(ident) => after_quote && ident != "static",
            _ => false,
        };
        after_quote = matches!(token, TokenTree::Punct(punct) if punct.as_char() == '\'');
        found
    })
}

pub(crate) fn mentions(tokens: impl ToTokens, word: &str) -> bool {
    any_token(
        tokens.to_token_stream(),
        &mut |token| matches!(token, TokenTree::Ident(ident) if ident == word),
    )
}

fn any_token(tokens: TokenStream, found: &mut impl FnMut(&TokenTree) -> bool) -> bool {
    tokens.into_iter().any(|token| match &token {
        TokenTree::Group(group) => any_token(group.stream(), found),
        token => found(token),
    })
}

/// `tokens` with `Self` spelled out, for places where `Self` is another type.
pub(crate) fn spell_self(tokens: impl ToTokens, self_ty: &Type) -> TokenStream {
    let spell = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => self_ty.to_token_stream(),
        TokenTree::Group(group) => {
            let mut spelled = Group::new(group.delimiter(), spell_self(group.stream(), self_ty));
            spelled.set_span(group.span());
            TokenTree::Group(spelled).into()
        }
        token => token.into(),
    };
    tokens
        .to_token_stream()
        .into_iter()
        .flat_map(spell)
        .collect()
}

/// `tokens` as if they stood at `span`; what they name stays the same.
pub(crate) fn place(tokens: TokenStream, span: Span) -> TokenStream {
    let placed = |mut token: TokenTree| {
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.into_iter().map(placed).collect()
}

/// `tokens` as a person would write them, the same on every compiler.
pub(crate) fn render(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    render_into(tokens.to_token_stream(), &mut text);
    text
}

fn render_into(tokens: TokenStream, text: &mut String) {
    let mut joined = false;
    for token in tokens {
        let word = matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_));
        if word && text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            text.push(' ');
        }
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                text.push_str(open);
                render_into(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                let sign = punct.as_char();
                let spaced = matches!(sign, '+' | '=' | '-') && !joined;
                if spaced {
                    text.push(' ');
                }
                text.push(sign);
                joined = punct.spacing() == Spacing::Joint && sign != '\'';
                let arrow = text.ends_with("->");
                if matches!(sign, ',' | ';') || arrow || (spaced && !joined) {
                    text.push(' ');
                }
                continue;
            }
            word => text.push_str(&word.to_string()),
        }
        joined = false;
    }
    text.truncate(text.trim_end_matches([' ', ',']).len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> Type {
        syn::parse_str(text).expect(text)
    }

    #[test]
    fn types_print_as_they_are_written() {
        for text in [
            "Result<Money, UnknownSku>",
            "Answer<(Authorization, DialogRef<payment::Account>), Declined>",
            "Vec<[u8; 16]>",
            "&'static str",
            "Box<dyn Fn(u8) -> u8 + Send>",
            "<Cart as Trait>::Item",
            "&mut Cx<'_, Self>",
            "HashMap<String, Vec<(u8, u8)>>",
        ] {
            assert_eq!(render(ty(text)), text);
        }
    }

    #[test]
    fn a_borrow_is_found_at_any_depth() {
        for text in [
            "&str",
            "Option<&str>",
            "Cow<'_, str>",
            "(u8, [&'static u8; 2])",
            "Foo<'a>",
        ] {
            assert!(borrows(&ty(text)), "{text}");
        }
        for text in ["String", "Cow<'static, str>", "Vec<(u8, u8)>"] {
            assert!(!borrows(&ty(text)), "{text}");
        }
    }

    #[test]
    fn self_is_spelled_out_at_any_depth() {
        assert_eq!(
            render(spell_self(
                ty("Result<Vec<Self>, (Self,)>"),
                &ty("shop::Cart")
            )),
            "Result<Vec<shop::Cart>, (shop::Cart)>"
        );
    }
}
