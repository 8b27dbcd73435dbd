//! The user's impl block as tokens: methods by their signature, bodies and everything else untouched.
//!
//! Owns parsing and giving back what was written; never judges it. A half-typed body is a body: signatures stay known
//! while their methods are being written.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Generics, Ident, Meta, MetaList, Path, Signature, Token, Type, Visibility,
    WhereClause, braced,
    parse::{Parse, ParseStream},
    token::Brace,
};

/// An impl block below `#[dialog]`.
pub(crate) struct Block {
    attrs: Vec<Attribute>,
    unsafety: Option<Token![unsafe]>,
    impl_token: Token![impl],
    pub(crate) generics: Generics,
    pub(crate) of_trait: Option<(Path, Token![for])>,
    pub(crate) self_ty: Type,
    where_clause: Option<WhereClause>,
    brace: Brace,
    inner: Vec<Attribute>,
    items: Vec<Item>,
}

enum Item {
    Method(Box<Method>),
    Other(TokenStream),
}

/// A method, its helper attributes taken off.
pub(crate) struct Method {
    pub(crate) roles: Vec<RoleAttr>,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    body: TokenStream,
}

/// A helper attribute as it was written.
pub(crate) struct RoleAttr {
    pub(crate) role: Role,
    pub(crate) attr: Attribute,
}

/// What a method is to the dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Handler,
    Establish,
    Resume,
    Abandoned,
    /// `#[effect]`, which is not there yet.
    Effect,
}

impl Role {
    fn of(attr: &Attribute) -> Option<Self> {
        let name = attr.path().get_ident()?;
        Some(match name.to_string().as_str() {
            "handler" => Self::Handler,
            "establish" => Self::Establish,
            "resume" => Self::Resume,
            "abandoned" => Self::Abandoned,
            "effect" => Self::Effect,
            _ => return None,
        })
    }
}

impl RoleAttr {
    /// `#[handler(something)]`.
    pub(crate) fn has_arguments(&self) -> bool {
        !matches!(self.attr.meta, Meta::Path(_))
    }

    /// `#[handler(currency)]`.
    pub(crate) fn is_currency(&self) -> bool {
        let option = |list: &MetaList| {
            list.parse_args::<Ident>()
                .is_ok_and(|option| option == "currency")
        };
        self.role == Role::Handler && matches!(&self.attr.meta, Meta::List(list) if option(list))
    }
}

impl Block {
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.items.iter().filter_map(|item| {
            if let Item::Method(method) = item {
                Some(&**method)
            } else {
                None
            }
        })
    }
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let unsafety = input.parse()?;
        let impl_token = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "`#[dialog]` describes behaviour: put it on an `impl Type { .. }` block with `#[handler]` methods")
        })?;
        let generics = if input.peek(Token![<]) {
            input.parse()?
        } else {
            Generics::default()
        };
        let first: Type = input.parse()?;
        let (of_trait, self_ty) = match (input.parse::<Option<Token![for]>>()?, first) {
            (None, self_ty) => (None, self_ty),
            (Some(for_token), Type::Path(path)) => (Some((path.path, for_token)), input.parse()?),
            (Some(_), other) => return Err(syn::Error::new_spanned(other, "expected a trait")),
        };
        let where_clause = input.parse()?;
        let content;
        let brace = braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        let mut items = Vec::new();
        while !content.is_empty() {
            items.push(item(&content)?);
        }
        Ok(Self {
            attrs,
            unsafety,
            impl_token,
            generics,
            of_trait,
            self_ty,
            where_clause,
            brace,
            inner,
            items,
        })
    }
}

fn item(input: ParseStream<'_>) -> syn::Result<Item> {
    let ahead = input.fork();
    if method_head(&ahead).is_err() {
        return Ok(Item::Other(other_item(input)));
    }
    let (attrs, vis, sig) = method_head(input)?;
    let body = if input.peek(Brace) {
        input.parse::<TokenTree>()?.into()
    } else {
        other_item(input)
    };
    let mut roles = Vec::new();
    let mut kept = Vec::new();
    for attr in attrs {
        match Role::of(&attr) {
            Some(role) => roles.push(RoleAttr { role, attr }),
            None => kept.push(attr),
        }
    }
    Ok(Item::Method(Box::new(Method {
        roles,
        attrs: kept,
        vis,
        sig,
        body,
    })))
}

fn method_head(input: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, Visibility, Signature)> {
    Ok((
        input.call(Attribute::parse_outer)?,
        input.parse()?,
        input.parse()?,
    ))
}

/// Up to the semicolon or the braces that end an item. A constant may have braces within.
fn other_item(input: ParseStream<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    let mut to_semicolon = false;
    while let Ok(token) = input.parse::<TokenTree>() {
        let ends = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !to_semicolon,
            _ => false,
        };
        to_semicolon |= matches!(&token, TokenTree::Ident(word) if word == "const" || word == "type")
            || matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '=');
        // `const fn` that did not parse as a method ends with its body all the same.
        to_semicolon &= !matches!(&token, TokenTree::Ident(word) if word == "fn");
        tokens.extend([token]);
        if ends {
            break;
        }
    }
    tokens
}

impl ToTokens for Method {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            roles,
            attrs,
            vis,
            sig,
            body,
        } = self;
        // A handler's signature is its message: what a lint would have otherwise is not the author's to choose.
        let allow = (!roles.is_empty()).then(|| {
            quote! {
                #[allow(
                    clippy::needless_pass_by_value,
                    clippy::unnecessary_wraps,
                    clippy::unused_self,
                    clippy::trivially_copy_pass_by_ref,
                    clippy::must_use_candidate
                )]
            }
        });
        tokens.extend(quote! { #(#attrs)* #allow #vis #sig #body });
    }
}

impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attrs,
            unsafety,
            impl_token,
            generics,
            of_trait,
            self_ty,
            where_clause,
            brace,
            inner,
            items,
        } = self;
        let of_trait = of_trait
            .as_ref()
            .map(|(path, for_token)| quote! { #path #for_token });
        tokens.extend(
            quote! { #(#attrs)* #unsafety #impl_token #generics #of_trait #self_ty #where_clause },
        );
        brace.surround(tokens, |tokens| {
            tokens.extend(quote! { #(#inner)* });
            for item in items {
                match item {
                    Item::Method(method) => method.to_tokens(tokens),
                    Item::Other(other) => other.to_tokens(tokens),
                }
            }
        });
    }
}
