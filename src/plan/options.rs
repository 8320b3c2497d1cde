//! The on/off options of a proxy. Manual 1.4, section 4.2, "option ...".

use std::net::Ipv4Addr;

use serde::Serialize;

use super::ByteString;

/// Options without arguments, other than those that decide the connection mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProxyOptions {
    /// `option abortonclose`.
    pub abortonclose: bool,
    /// `option accept-invalid-http-request`.
    pub accept_invalid_http_request: bool,
    /// `option accept-invalid-http-response`.
    pub accept_invalid_http_response: bool,
    /// `option allbackups`.
    pub allbackups: bool,
    /// `option checkcache`.
    pub checkcache: bool,
    /// `option clitcpka`, `option tcpka`.
    pub clitcpka: bool,
    /// `option contstats`.
    pub contstats: bool,
    /// `option dontlog-normal`.
    pub dontlog_normal: bool,
    /// `option dontlognull`.
    pub dontlognull: bool,
    /// `option http-no-delay`.
    pub http_no_delay: bool,
    /// `option http-use-proxy-header`.
    pub http_use_proxy_header: bool,
    /// `option http_proxy`.
    pub http_proxy: bool,
    /// `option independant-streams`.
    pub independant_streams: bool,
    /// `option log-health-checks`.
    pub log_health_checks: bool,
    /// `option log-separate-errors`.
    pub log_separate_errors: bool,
    /// `option logasap`.
    pub logasap: bool,
    /// `option nolinger`.
    pub nolinger: bool,
    /// `option persist`.
    pub persist: bool,
    /// `option prefer-last-server`.
    pub prefer_last_server: bool,
    /// `option redispatch`, and `redispatch`.
    pub redispatch: bool,
    /// `option socket-stats`.
    pub socket_stats: bool,
    /// `option splice-auto`.
    pub splice_auto: bool,
    /// `option splice-request`.
    pub splice_request: bool,
    /// `option splice-response`.
    pub splice_response: bool,
    /// `option srvtcpka`, `option tcpka`.
    pub srvtcpka: bool,
    /// `option tcp-smart-accept`: `None` when neither said nor negated.
    pub tcp_smart_accept: Option<bool>,
    /// `option tcp-smart-connect`: `None` when neither said nor negated.
    pub tcp_smart_connect: Option<bool>,
    /// `option transparent`, and `transparent`.
    pub transparent: bool,
    /// `option http-ignore-probes` (1.6 and later).
    pub http_ignore_probes: bool,
    /// `option http-buffer-request` (1.6 and later).
    pub http_buffer_request: bool,
}

/// `option forwardfor`, `option originalto`: a header that names an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressHeader {
    /// The header. Default `X-Forwarded-For`, `X-Original-To`.
    pub header: ByteString,
    /// Addresses of this network get no header: address and mask.
    pub except: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Only when the request does not have it yet (`forwardfor` only).
    pub if_none: bool,
}
