//! The on/off options, and the order among those that decide the connection mode.

use haproxy_cfg_grammar::Dialect;
use haproxy_cfg_grammar::keywords::option::Flag;

use crate::plan::{ModeOptions, Proxy};

/// Applies `option NAME` (`on`) or `no option NAME`.
pub(super) fn apply(proxy: &mut Proxy, flag: Flag, on: bool, dialect: Dialect) {
    if let Some(field) = mode_field(&mut proxy.mode_options, flag) {
        *field = on;
        if on {
            replace(&mut proxy.mode_options, flag, dialect);
        }
        return;
    }
    let options = &mut proxy.options;
    let field = match flag {
        Flag::TcpSmartAccept => {
            options.tcp_smart_accept = Some(on);
            return;
        }
        Flag::TcpSmartConnect => {
            options.tcp_smart_connect = Some(on);
            return;
        }
        Flag::Abortonclose => &mut options.abortonclose,
        Flag::AcceptInvalidHttpRequest => &mut options.accept_invalid_http_request,
        Flag::AcceptInvalidHttpResponse => &mut options.accept_invalid_http_response,
        Flag::Allbackups => &mut options.allbackups,
        Flag::Checkcache => &mut options.checkcache,
        Flag::Clitcpka => &mut options.clitcpka,
        Flag::Contstats => &mut options.contstats,
        Flag::DontlogNormal => &mut options.dontlog_normal,
        Flag::Dontlognull => &mut options.dontlognull,
        Flag::HttpNoDelay => &mut options.http_no_delay,
        Flag::HttpUseProxyHeader => &mut options.http_use_proxy_header,
        Flag::HttpProxy => &mut options.http_proxy,
        Flag::IndependantStreams => &mut options.independant_streams,
        Flag::LogHealthChecks => &mut options.log_health_checks,
        Flag::LogSeparateErrors => &mut options.log_separate_errors,
        Flag::Logasap => &mut options.logasap,
        Flag::Nolinger => &mut options.nolinger,
        Flag::Persist => &mut options.persist,
        Flag::PreferLastServer => &mut options.prefer_last_server,
        Flag::Redispatch => &mut options.redispatch,
        Flag::SocketStats => &mut options.socket_stats,
        Flag::SpliceAuto => &mut options.splice_auto,
        Flag::SpliceRequest => &mut options.splice_request,
        Flag::SpliceResponse => &mut options.splice_response,
        Flag::Srvtcpka => &mut options.srvtcpka,
        Flag::Transparent => &mut options.transparent,
        Flag::HttpIgnoreProbes => &mut options.http_ignore_probes,
        Flag::HttpBufferRequest => &mut options.http_buffer_request,
        Flag::Httpclose
        | Flag::Forceclose
        | Flag::HttpServerClose
        | Flag::HttpPretendKeepalive
        | Flag::HttpKeepAlive
        | Flag::HttpTunnel => return,
    };
    *field = on;
}

fn mode_field(options: &mut ModeOptions, flag: Flag) -> Option<&mut bool> {
    Some(match flag {
        Flag::Httpclose => &mut options.httpclose,
        Flag::Forceclose => &mut options.forceclose,
        Flag::HttpServerClose => &mut options.http_server_close,
        Flag::HttpPretendKeepalive => &mut options.http_pretend_keepalive,
        Flag::HttpKeepAlive => &mut options.http_keep_alive,
        Flag::HttpTunnel => &mut options.http_tunnel,
        _ => return None,
    })
}

/// Takes away the options that a mode option replaces.
///
/// 1.5 to 1.8 keep the last mode only. By default (`hapax`) the four options of 1.4 accumulate,
/// while the two of 1.5 replace everything before them. `http-pretend-keepalive` is not a mode
/// of its own for 1.5 and later.
fn replace(options: &mut ModeOptions, flag: Flag, dialect: Dialect) {
    let replaces = match (dialect, flag) {
        (Dialect::V1_4, _) | (_, Flag::HttpPretendKeepalive) => false,
        (Dialect::V1_8, _) => true,
        (Dialect::Hapax, flag) => matches!(flag, Flag::HttpKeepAlive | Flag::HttpTunnel),
    };
    if !replaces {
        return;
    }
    let pretend = options.http_pretend_keepalive;
    *options = ModeOptions {
        http_pretend_keepalive: pretend,
        ..ModeOptions::default()
    };
    if let Some(field) = mode_field(options, flag) {
        *field = true;
    }
}
