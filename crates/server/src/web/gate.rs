//! The door, as HTTP has it: who is refused gets a status and a sentence, and pages may read both.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tidewire_hub::UserId;
use tracing::info;

use super::{
    answer::{sentence, whole},
    body::Body,
};
use crate::{
    door::{Door, Full, Page, Place, Refused, UserPlace, Visitor},
    node::NodeHandle,
};

/// What a session holds while it lasts, so that it is counted.
#[derive(Debug)]
pub(crate) struct Seat {
    place: Place,
    of_user: Option<UserPlace>,
}

impl Seat {
    /// A place for somebody who stays.
    pub(crate) fn take(door: &Door, visitor: &Visitor) -> Result<Self, Response<Body>> {
        let place = door.enter(visitor).map_err(|refused| refusal(&refused))?;
        let of_user = match &visitor.credentials {
            Some(credentials) => {
                let full = |full| Refused::full(full, &visitor.page);
                Some(door.enter_user(&credentials.user).map_err(|why| refusal(&full(why)))?)
            }
            None => None,
        };
        Ok(Self { place, of_user })
    }

    /// Counts it among those of its user, now that it has said who that is.
    pub(crate) fn claim(&mut self, user: &UserId) -> Result<(), Full> {
        if self.of_user.is_none() {
            self.of_user = Some(self.place.enter_user(user)?);
        }
        Ok(())
    }

    /// Its place among those of its user, once that is known.
    pub(crate) const fn of_user(&self) -> Option<&UserPlace> {
        self.of_user.as_ref()
    }
}

/// What somebody is answered who is not let in.
pub(crate) fn refusal(refused: &Refused) -> Response<Body> {
    let why = &refused.refusal;
    info!(why = why.name(), "refused: {why}");
    let mut response = sentence(why.status(), why.sentence());
    if let Some(seconds) = why.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(page) = &refused.page {
        tell(response.headers_mut(), page);
    }
    response
}

/// Says to the browser that the page may read the answer.
pub(crate) fn tell(headers: &mut HeaderMap, page: &Page) {
    headers.extend(page.cors_headers());
}

/// The answer to a browser that asks what a page may do.
pub(crate) fn preflight(page: &Page) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().extend(page.preflight_headers());
    response
}

/// A ticket for a token: for clients that can set no headers later.
pub(crate) fn ticket(door: &Door, visitor: &Visitor, node: &NodeHandle) -> Response<Body> {
    match door.ticket(node.now().hub, visitor) {
        Ok(ticket) => {
            // 128 bits in base64: nothing that JSON would have to escape.
            let body = format!(r#"{{"ticket":"{}"}}"#, ticket.expose());
            let mut response = whole(StatusCode::OK, "application/json", body);
            let unkept = HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, unkept);
            response
        }
        Err(refused) => refusal(&refused),
    }
}
