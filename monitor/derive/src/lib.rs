//! `#[derive(Encode, Decode)]` for structs whose fields are laid out in declaration order.
//!
//! Three shapes exist in Ceph's encoding, chosen with one attribute on the struct:
//!
//! * no attribute: the fields, one after the other (`AuthTicket`'s inner parts, message bodies);
//! * `#[denc(version = V, compat = C)]`: the `ENCODE_START` envelope `u8 V, u8 C, u32 len`. Decoding
//!   refuses a compat above `V` and skips an unknown tail; a struct that is stored again after it was
//!   read must not use the derive but keep the tail by hand;
//! * `#[denc(byte = V)]`: the old style of one leading version byte; a byte above `V` is refused
//!   because nothing tells where the unknown part ends.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DeriveInput, Fields, LitInt, parse_macro_input};

/// Derives `mon_types::encode::Encode`.
#[proc_macro_derive(Encode, attributes(denc))]
pub fn derive_encode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand_encode(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Derives `mon_types::encode::Decode`.
#[proc_macro_derive(Decode, attributes(denc))]
pub fn derive_decode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand_decode(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// The envelope around the fields, as the `denc` attribute names it.
enum Shape {
    Bare,
    Byte(u8),
    Envelope { version: u8, compat: u8 },
}

fn shape(input: &DeriveInput) -> syn::Result<Shape> {
    let (mut version, mut compat, mut byte) = (None, None, None);
    for attr in input.attrs.iter().filter(|a| a.path().is_ident("denc")) {
        attr.parse_nested_meta(|meta| {
            let value: u8 = meta.value()?.parse::<LitInt>()?.base10_parse()?;
            match () {
                () if meta.path.is_ident("version") => version = Some(value),
                () if meta.path.is_ident("compat") => compat = Some(value),
                () if meta.path.is_ident("byte") => byte = Some(value),
                () => return Err(meta.error("expected version, compat or byte")),
            }
            Ok(())
        })?;
    }
    match (version, compat, byte) {
        (None, None, None) => Ok(Shape::Bare),
        (None, None, Some(byte)) => Ok(Shape::Byte(byte)),
        (Some(version), compat, None) => Ok(Shape::Envelope { version, compat: compat.unwrap_or(1) }),
        _ => Err(syn::Error::new_spanned(&input.ident, "use either byte, or version with compat")),
    }
}

/// How field `i` is named in expressions and patterns (`name` or its index).
fn members(input: &DeriveInput) -> syn::Result<Vec<syn::Member>> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "only structs have a derived encoding"));
    };
    Ok(match &data.fields {
        Fields::Named(_) | Fields::Unnamed(_) => data.fields.members().collect(),
        Fields::Unit => Vec::new(),
    })
}

fn expand_encode(input: &DeriveInput) -> syn::Result<Tokens> {
    let members = members(input)?;
    let body = quote! { #( ::mon_types::encode::Encode::encode(&self.#members, out); )* };
    let body = match shape(input)? {
        Shape::Bare => body,
        Shape::Byte(v) => quote! { out.push(#v); #body },
        Shape::Envelope { version, compat } => quote! {
            ::mon_types::encode::envelope(out, #version, #compat, |out| { #body });
        },
    };
    let name = &input.ident;
    let (generics, types, wheres) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::mon_types::encode::Encode for #name #types #wheres {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) { #body }
        }
    })
}

fn expand_decode(input: &DeriveInput) -> syn::Result<Tokens> {
    let members = members(input)?;
    let name = &input.ident;
    let fields = quote! {
        ::std::result::Result::Ok(#name { #( #members: ::mon_types::encode::Decode::decode(input)?, )* })
    };
    let what = name.to_string();
    let body = match shape(input)? {
        Shape::Bare => fields,
        Shape::Byte(v) => quote! { input.version_byte(#what, #v)?; #fields },
        Shape::Envelope { version, .. } => quote! {
            input.envelope(#what, #version, |_version, input| { #fields })
        },
    };
    let (generics, types, wheres) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::mon_types::encode::Decode for #name #types #wheres {
            fn decode(
                input: &mut ::mon_types::encode::Reader<'_>,
            ) -> ::std::result::Result<Self, ::mon_types::encode::DecodeError> { #body }
        }
    })
}
