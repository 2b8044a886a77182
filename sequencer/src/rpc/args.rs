//! Positional parameters of a call; a bad one is named in the error.

use jsonrpsee::types::Params;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::RpcError;

/// The parameters that a handler has not taken yet.
#[derive(Debug)]
pub(super) struct Args {
    values: std::vec::IntoIter<Value>,
    position: usize,
}

impl Args {
    /// Takes an array, or nothing at all.
    pub(super) fn new(params: &Params<'_>) -> Result<Self, RpcError> {
        let values: Option<Vec<Value>> = params.parse().map_err(|_| RpcError::NotAnArray)?;
        Ok(Self { values: values.unwrap_or_default().into_iter(), position: 0 })
    }

    /// The next parameter.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, RpcError> {
        let position = self.position;
        self.optional(name)?.ok_or(RpcError::Missing { position, name })
    }

    /// The next parameter, if it is there and not null.
    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, RpcError> {
        let position = self.position;
        self.position += 1;
        match self.values.next() {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| RpcError::Invalid {
                position,
                name,
                reason: error.to_string(),
            }),
        }
    }

    /// Refuses parameters that nobody took; null ones are let through.
    pub(super) fn end(self) -> Result<(), RpcError> {
        let max = self.position;
        if self.values.into_iter().any(|value| !value.is_null()) {
            return Err(RpcError::TooMany(max));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    fn args(json: &str) -> Args {
        Args::new(&Params::new(Some(json))).unwrap()
    }

    #[test]
    fn missing_and_malformed_parameters_are_named() {
        let error = args("[]").required::<Address>("address").unwrap_err();
        assert_eq!(error.to_string(), "missing value for required argument 0 (address)");
        let mut two = args(r#"["0x", 7]"#);
        assert!(two.required::<String>("data").is_ok());
        let error = two.required::<Address>("address").unwrap_err().to_string();
        assert!(error.starts_with("invalid argument 1 (address): "), "{error}");
    }

    #[test]
    fn null_and_absent_parameters_are_the_same() {
        assert_eq!(args("[null]").optional::<u64>("n").unwrap(), None);
        assert_eq!(args("[]").optional::<u64>("n").unwrap(), None);
        assert!(Args::new(&Params::new(None)).unwrap().end().is_ok());
    }

    #[test]
    fn extra_parameters_are_refused() {
        assert!(matches!(args("[1]").end(), Err(RpcError::TooMany(0))));
        assert!(args("[null]").end().is_ok());
        assert!(matches!(Args::new(&Params::new(Some("{}"))), Err(RpcError::NotAnArray)));
    }
}
