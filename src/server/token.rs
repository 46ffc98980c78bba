//! The number that comes with an event of epoll.

/// What is registered with epoll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Signal,
    Listener,
    /// The connection at this index of `Connections`.
    Connection(usize),
}

const SIGNAL: u64 = u64::MAX;
const LISTENER: u64 = u64::MAX - 1;

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        match token {
            Token::Signal => SIGNAL,
            Token::Listener => LISTENER,
            Token::Connection(index) => index as u64,
        }
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Self {
        match number {
            SIGNAL => Self::Signal,
            LISTENER => Self::Listener,
            index => Self::Connection(index as usize),
        }
    }
}
