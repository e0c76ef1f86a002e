//! What can be wrong with a head ([`HeadError`]), a request ([`RequestError`]), a response
//! ([`ResponseError`]), or with what our caller asks for ([`ApiMisuse`]).

mod head;
mod misuse;
mod request;
mod response;

pub use head::HeadError;
pub use misuse::ApiMisuse;
pub use request::RequestError;
pub use response::ResponseError;
