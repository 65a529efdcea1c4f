//! Things that are known by name, such as recipes: each is a static in a file of its own, and a line in a list.

/// Lets `&'static $thing`, a struct with a `name`, be compared, shown, written and read by its name among those of `$all`;
/// `$what` names the kind in errors.
macro_rules! named {
    ($thing:ident, $all:ident, $what:literal) => {
        impl $thing {
            /// The one of this name.
            pub fn named(name: &str) -> Option<&'static Self> {
                $all.iter().copied().find(|thing| thing.name == name)
            }
        }

        impl PartialEq for $thing {
            fn eq(&self, other: &Self) -> bool {
                self.name == other.name
            }
        }

        impl std::fmt::Debug for $thing {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name)
            }
        }

        impl serde::Serialize for $thing {
            fn serialize<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name)
            }
        }

        impl<'de> serde::Deserialize<'de> for &'static $thing {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let name = <String as serde::Deserialize>::deserialize(deserializer)?;
                $thing::named(&name).ok_or_else(|| {
                    let names: Vec<&str> = $all.iter().map(|thing| thing.name).collect();
                    serde::de::Error::custom(format!(
                        concat!("found ", $what, " {:?}, expected one of {}"),
                        name,
                        names.join(", ")
                    ))
                })
            }
        }
    };
}
pub(crate) use named;
