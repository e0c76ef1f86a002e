//! What can be wrong with a head ([`HeadError`]), a request ([`RequestError`]), a response
//! ([`ResponseError`]), a redirect ([`RedirectRefused`]), or with what our caller asks for
//! ([`ApiMisuse`]).

mod head;
mod misuse;
mod redirect;
mod request;
mod response;

pub use head::HeadError;
pub use misuse::ApiMisuse;
pub use redirect::RedirectRefused;
pub use request::RequestError;
pub use response::ResponseError;
