//! Bearer tokens of machines, kept as digests.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a token.
#[derive(Clone)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether this is the token. Digests of equal length are compared without a branch, so that time tells nothing about it.
    pub fn matches(&self, given: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        let difference = digest.iter().zip(self.0.iter()).fold(0u8, |sum, (a, b)| sum | (a ^ b));
        !given.is_empty() && std::hint::black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_matches() {
        let digest = TokenDigest::of("abc");
        assert!(digest.matches("abc"));
        assert!(!digest.matches("abd") && !digest.matches("") && !digest.matches("abcd"));
        assert!(!TokenDigest::of("").matches(""), "no token is no token");
    }
}
