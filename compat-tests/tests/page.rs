//! The statistics page in a real browser: it fits every window, works without scripts, and its form
//! does what it says, but not for other sites.
#![allow(
    clippy::print_stdout,
    reason = "why nothing was tested is part of the result"
)]

use std::io::{Read, Write};
use std::net::TcpStream;

use compat_tests::browser::{self, Browser, View};
use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::{self, run};
use tempfile::TempDir;

const WIDE: View = View {
    width: 1440,
    height: 1200,
    dark: false,
    scripts: true,
};

const DARK: View = View { dark: true, ..WIDE };

const PHONE: View = View {
    width: 360,
    height: 1600,
    scripts: false,
    ..WIDE
};

#[test]
fn it_fits_every_window_in_light_and_dark() {
    let Some((mut browser, stage)) = start() else {
        return;
    };
    let mut backgrounds = Vec::new();
    for (name, view) in [("light", WIDE), ("dark", DARK), ("narrow", PHONE)] {
        browser.open(&stage.address(""), view).expect("the page");
        let overflow = browser
            .evaluate("document.documentElement.scrollWidth-document.documentElement.clientWidth")
            .expect("the width");
        assert_eq!(overflow, 0, "{name}: the page is wider than the window");
        let colour = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        backgrounds.push(colour.expect("a colour"));
        assert!(browser.picture().expect("a picture").len() > 10_000);
        let requests = browser
            .evaluate("performance.getEntriesByType('resource').length")
            .expect("what was fetched");
        assert_eq!(
            requests, 0,
            "{name}: the page needs something from elsewhere"
        );
    }
    assert_ne!(backgrounds[0], backgrounds[1]);
    assert_eq!(backgrounds[0], backgrounds[2]);
    // A telephone reads rows instead of a table that it would have to push around.
    let shown = browser.evaluate(
        "[getComputedStyle(document.querySelector('thead')).display,\
         getComputedStyle(document.querySelector('tbody tr')).display]",
    );
    assert_eq!(shown.expect("styles"), serde_json::json!(["none", "grid"]));
}

/// A number that its column cuts off would be read as another one.
#[test]
fn no_number_is_cut_off_and_a_window_of_1440_has_room_for_all_columns() {
    let Some((mut browser, stage)) = start() else {
        return;
    };
    browser.open(&stage.address(""), WIDE).expect("the page");
    let cut = browser
        .evaluate(
            "[...document.querySelectorAll('table')].flatMap(table=>{\
             const names=[...table.tHead.rows[1].cells].map(cell=>cell.textContent);\
             const widest={In:'99.9 kB',Out:'99.9 kB',Dwntme:'23h59m',Wght:'256',Act:'99',Bck:'99'};\
             return [...table.tBodies[0].rows].flatMap(row=>[...row.cells].slice(2).filter(cell=>{\
             const name=names[cell.cellIndex];\
             if(name=='Last check')return false;\
             cell.textContent=widest[name]||'9999';\
             return cell.scrollWidth>cell.clientWidth}).map(cell=>names[cell.cellIndex]))})\
             .concat([...document.querySelectorAll('thead th')].filter(\
             cell=>cell.scrollWidth>cell.clientWidth).map(cell=>cell.textContent))",
        )
        .expect("cells");
    assert_eq!(cut, serde_json::json!([]));
    let scrolls = browser
        .evaluate("[...document.querySelectorAll('.scroll')].filter(e=>e.scrollWidth>e.clientWidth).length")
        .expect("how many");
    assert_eq!(scrolls, 0);
}

#[test]
fn numbers_stand_below_each_other_in_all_sections() {
    let Some((mut browser, stage)) = start() else {
        return;
    };
    // Wide enough for all columns.
    let view = View {
        width: 1700,
        ..WIDE
    };
    browser.open(&stage.address(""), view).expect("the page");
    let edges = browser
        .evaluate(
            "[...new Set([...document.querySelectorAll('tbody tr td:nth-child(6)')].map(\
             e=>Math.round(e.getBoundingClientRect().right)+getComputedStyle(e).textAlign))]",
        )
        .expect("edges");
    let edges = edges.as_array().expect("a list");
    assert_eq!(edges.len(), 1, "{edges:?}");
    assert!(
        edges[0]
            .as_str()
            .is_some_and(|edge| edge.ends_with("right"))
    );
    // The head of a table stays in sight.
    let sticky = browser
        .evaluate(
            "(()=>{const s=document.querySelector('section[data-name=many]');\
             window.scrollTo(0,s.getBoundingClientRect().top+scrollY+200);\
             return Math.round(s.querySelector('thead th').getBoundingClientRect().top)})()",
        )
        .expect("a place");
    assert_eq!(sticky, 0);
}

#[test]
fn search_and_live_figures_are_there_with_scripts() {
    let Some((mut browser, stage)) = start() else {
        return;
    };
    browser.open(&stage.address(""), WIDE).expect("the page");
    let shown = "[...document.querySelectorAll('main section')].filter(s=>!s.hidden).length";
    let all = browser.evaluate(shown).expect("sections");
    browser
        .evaluate(
            "(()=>{const s=document.querySelector('input[type=search]');s.value='m17';\
             s.dispatchEvent(new Event('input'))})()",
        )
        .expect("typed");
    assert_eq!(browser.evaluate(shown).expect("sections"), 1);
    assert!(all.as_u64().is_some_and(|all| all > 3));
    let changed = browser
        .evaluate(
            "new Promise(done=>{const m=document.querySelector('main');\
             new MutationObserver(()=>done(document.querySelectorAll('main section').length))\
             .observe(m,{childList:true});\
             [...document.querySelectorAll('nav label input')].pop().click()})",
        )
        .expect("fresh figures");
    assert_eq!(changed, all);
}

#[test]
fn the_form_works_without_scripts() {
    let Some((mut browser, stage)) = start() else {
        return;
    };
    let view = View {
        scripts: false,
        ..WIDE
    };
    browser.open(&stage.address(""), view).expect("the page");
    browser
        .click("input[name=s][value=two]")
        .expect("a server is chosen");
    browser
        .evaluate("document.querySelector('section[data-name=app] select').value='maint'")
        .expect("an action is chosen");
    browser
        .load(|browser| browser.click("section[data-name=app] button"))
        .expect("the form is sent");
    let place = browser.evaluate("location.pathname").expect("a place");
    assert_eq!(place, "/stats;st=DONE");
    let said = browser.evaluate("document.querySelector('.said').textContent");
    assert_eq!(said.expect("a sentence"), "Done.");
    let state = browser.evaluate(
        "document.querySelector('section[data-name=app] tr[data-name=two] .state').textContent",
    );
    assert_eq!(state.expect("a state"), "MAINT");
}

/// Needs no browser: what browsers say about who sends a form.
#[test]
fn other_sites_cannot_send_the_form() {
    let stage = Stage::set();
    let post = |headers: &str| {
        let body = "s=one&b=app&action=maint";
        let length = body.len();
        let mut stream = TcpStream::connect(("127.0.0.1", stage.port)).expect("a connection");
        write!(
            stream,
            "POST /stats HTTP/1.1\r\nHost: admin.example\r\nConnection: close\r\n{headers}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n\
             {body}"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, code) = answer.split_once(";st=").expect("a code");
        code[..4].to_owned()
    };
    for (headers, code) in [
        ("Origin: http://elsewhere.example\r\n", "DENY"),
        ("Origin: null\r\n", "DENY"),
        ("Sec-Fetch-Site: cross-site\r\n", "DENY"),
        ("Sec-Fetch-Site: same-site\r\n", "DENY"),
        (
            "Sec-Fetch-Site: cross-site\r\nOrigin: http://admin.example\r\n",
            "DENY",
        ),
        ("Origin: http://admin.example\r\n", "DONE"),
        ("Sec-Fetch-Site: same-origin\r\n", "DONE"),
        // Programs are no browsers.
        ("", "DONE"),
    ] {
        assert_eq!(post(headers), code, "{headers}");
    }
}

struct Stage {
    port: u16,
    folder: TempDir,
    _proxy: Proxy,
}

impl Stage {
    fn set() -> Self {
        let port = free_port().expect("a port");
        let folder = TempDir::new().expect("a folder");
        let many: String = (0..40)
            .map(|n| format!("    server m{n} 127.0.0.1:1 maxconn {n}\n"))
            .collect();
        let text = format!(
            "defaults\n    mode http\n    timeout connect 1s\n    timeout client 5s\n    \
             timeout server 5s\nlisten stats\n    bind 127.0.0.1:{port}\n    rate-limit sessions 500\n    stats uri /stats\n    \
             stats show-legends\n    stats admin if TRUE\nbackend app\n    server one 127.0.0.1:1\n    \
             server two 127.0.0.1:1\n    server a-name-that-is-much-longer-than-the-column.example \
             127.0.0.1:1 disabled\nbackend many\n{many}backend \
             a-backend-with-quite-a-long-name-too.example.com\n    server x 127.0.0.1:1 backup\n"
        );
        let proxy = run(stand::serve(folder.path(), &[], &text, &[port]));
        Self {
            port,
            folder,
            _proxy: proxy,
        }
    }

    fn address(&self, suffix: &str) -> String {
        format!("http://127.0.0.1:{}/stats{suffix}", self.port)
    }
}

/// A browser and a page for it; `None` where there is no browser.
fn start() -> Option<(Browser, Stage)> {
    let Some(binary) = browser::installed() else {
        println!("there is no Chromium: not tested");
        return None;
    };
    let stage = Stage::set();
    let browser = Browser::start(&binary, stage.folder.path()).expect("a browser");
    Some((browser, stage))
}
