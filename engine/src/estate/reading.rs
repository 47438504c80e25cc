//! An estate as a TOML text: read with the place of a mistake named, written so that reading gives the same estate back.

use super::Estate;

/// Why a text is not an estate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EstateError {
    /// `at` is “line L, column C”, as the TOML reader counts them.
    #[error("the estate cannot be read: {0}")]
    NotAnEstate(String),
    #[error("the estate cannot be written: {0}")]
    NotWritable(String),
    #[error("the estate is {0} bytes long; at most {max} are read", max = Estate::LONGEST_BYTES)]
    TooLong(usize),
}

/// The guide's platform.
const DEFAULT: &str = include_str!("../../estate/default.toml");

impl Estate {
    /// The longest estate file accepted: far above 10,000 services.
    pub const LONGEST_BYTES: usize = 16 * 1024 * 1024;

    /// Reads an estate.
    ///
    /// # Errors
    /// A text that is not TOML, lacks a field, has an unknown one, or a value outside its type; the message names line and column.
    pub fn from_toml(text: &str) -> Result<Self, EstateError> {
        if text.len() > Self::LONGEST_BYTES {
            return Err(EstateError::TooLong(text.len()));
        }
        toml::from_str(text).map_err(|error| EstateError::NotAnEstate(error.to_string().trim_end().to_owned()))
    }

    /// Writes the estate as TOML.
    ///
    /// # Errors
    /// Only where the TOML writer refuses a value.
    pub fn to_toml(&self) -> Result<String, EstateError> {
        toml::to_string_pretty(self).map_err(|error| EstateError::NotWritable(error.to_string()))
    }

    /// The guide's ten services, three strategies and three database nodes.
    ///
    /// # Errors
    /// Never in a build whose tests passed: the text is compiled in, and a test reads it.
    pub fn guide() -> Result<Self, EstateError> {
        Self::from_toml(DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    #[test]
    fn the_guides_platform_reads_and_writes_back_the_same() {
        let estate = Estate::guide().unwrap();
        assert_eq!((estate.services.len(), estate.strategies.len(), estate.clusters[0].nodes.len()), (10, 3, 3));
        assert_eq!(Estate::from_toml(&estate.to_toml().unwrap()), Ok(estate));
    }

    #[test]
    fn o5_impossible_values_are_refused_with_their_place() {
        let broken = DEFAULT.replacen("rpo = \"5m\"", "rpo = \"-5m\"", 1);
        let message = Estate::from_toml(&broken).unwrap_err().to_string();
        assert!(message.contains("line ") && message.contains("-5m"), "{message}");
        let zero = Estate::from_toml(&DEFAULT.replacen("rpo = \"5m\"", "rpo = \"0s\"", 1)).unwrap();
        assert_eq!(zero.services[0].rpo, Span::ZERO, "zero is a value");
    }

    #[test]
    fn an_unknown_field_is_a_typing_error_not_a_wish() {
        let broken = DEFAULT.replacen("tier = 1", "teir = 1", 1);
        assert!(Estate::from_toml(&broken).unwrap_err().to_string().contains("teir"));
    }
}
