//! What is served to a request that asks for no WebSocket.

use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    answer::{sentence, whole},
    body::Body,
};

/// A page, or a part of one.
#[derive(Debug, Clone, Copy)]
struct Asset {
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        path: "/",
        content_type: "text/html; charset=utf-8",
        body: include_str!("../page/index.html"),
    },
    Asset {
        path: "/chat.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("../page/chat.css"),
    },
    Asset {
        path: "/chat.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../page/chat.js"),
    },
];

/// The page needs its own style, its own script, a WebSocket to where it came from, and an icon
/// that it carries itself.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The answer to a request that asks for no WebSocket.
pub(crate) fn page<B>(request: &Request<B>) -> Response<Body> {
    let mut answer = asset(request);
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    answer
}

fn asset<B>(request: &Request<B>) -> Response<Body> {
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == request.uri().path()) else {
        return sentence(
            StatusCode::NOT_FOUND,
            "There is nothing here. The chat is at /, as a page and as a WebSocket.",
        );
    };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer =
            sentence(StatusCode::METHOD_NOT_ALLOWED, "This can be read by GET and HEAD alone.");
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(header::ALLOW, allowed);
        return answer;
    }
    // To a HEAD, hyper sends the head of this alone.
    whole(StatusCode::OK, asset.content_type, asset.body)
}
