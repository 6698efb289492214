//! Small enumerations on the wire.

/// Declares an enumeration with its wire numbers; other numbers are refused when decoding.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident: $int:ty, $what:literal { $($(#[$item_doc:meta])* $item:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$item_doc])* $item = $number,)* }

        impl crate::encode::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                (*self as $int).encode(out);
            }
        }

        impl crate::encode::Decode for $name {
            fn decode(
                input: &mut crate::encode::Reader<'_>,
            ) -> Result<Self, crate::encode::DecodeError> {
                match <$int as crate::encode::Decode>::decode(input)? {
                    $($number => Ok(Self::$item),)*
                    other => Err(crate::encode::DecodeError::Invalid { what: $what, value: other as u64 }),
                }
            }
            const SIZE_MIN: usize = size_of::<$int>();
        }
    };
}

pub(super) use wire_enum;
