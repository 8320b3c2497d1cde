use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::{Dialect, SourceSet};
use tokio::time::Instant;

use super::*;
use crate::check::agent::Admin;
use crate::check::log::Reason;
use crate::check::{Report, Status};
use crate::configuration::{self, Overrides};
use crate::plan::{Proxy, Role, ServerAddress, ServerCheck, ServerPort};

fn server(name: &str) -> plan::Server {
    let address = ServerAddress {
        ip: Some([127, 0, 0, 1].into()),
        port: ServerPort::Fixed(80),
    };
    plan::Server::new(name, address)
}

fn plan(change: impl FnOnce(&mut Proxy)) -> Arc<Plan> {
    let mut proxy = Proxy::new("be", Role::Backend);
    change(&mut proxy);
    for (index, server) in proxy.servers.iter_mut().enumerate() {
        server.numeric_id = index as u32 + 1;
    }
    let sources = SourceSet::from_text("t.cfg", "listen l 127.0.0.1:1\n");
    let read = configuration::read(&sources, Dialect::V1_4, Overrides::default());
    let mut plan = read.plan.expect("nothing is wrong with this file");
    plan.dialect = Dialect::V1_4;
    plan.proxies = vec![proxy];
    Arc::new(plan)
}

fn adopt(backend: &Arc<Backend>, servers: Vec<plan::Server>) -> Vec<Arc<Server>> {
    backend.adopt(&plan(|proxy| proxy.servers = servers), ProxyId(0))
}

fn backend(servers: Vec<plan::Server>) -> (Arc<Backend>, Vec<Arc<Server>>) {
    let backend = Arc::new(Backend::new(1));
    let live = adopt(&backend, servers);
    (backend, live)
}

fn ask() -> Ask<'static> {
    Ask {
        only: None,
        preferred: None,
        faithful: false,
        avoid: None,
        hash: None,
        since: Instant::now(),
    }
}

fn slot(choice: Choice) -> Option<Slot> {
    match choice {
        Choice::Server(slot) => Some(slot),
        _ => None,
    }
}

fn ticket(choice: Choice) -> Ticket {
    match choice {
        Choice::Wait(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn chosen(backend: &Arc<Backend>) -> Option<String> {
    slot(backend.choose(ask())).map(|slot| slot.server.name.clone())
}

/// The turn of a ticket, if it has come.
fn turn(ticket: &mut Ticket) -> Option<Turn> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match ticket.poll(&mut context) {
        std::task::Poll::Ready(turn) => Some(turn),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_reload_that_disables_a_server_takes_it_out_and_the_next_brings_it_back() {
    let disabled = |name, disabled| plan::Server {
        disabled,
        ..server(name)
    };
    let (backend, _) = backend(vec![server("a"), server("b")]);
    adopt(&backend, vec![disabled("a", true), server("b")]);
    assert_eq!(chosen(&backend).as_deref(), Some("b"));
    assert_eq!(chosen(&backend).as_deref(), Some("b"));
    adopt(&backend, vec![server("a"), disabled("b", true)]);
    assert_eq!(chosen(&backend).as_deref(), Some("a"));
    adopt(&backend, vec![disabled("a", true), disabled("b", true)]);
    assert_eq!(chosen(&backend), None);
}

#[test]
fn two_servers_of_one_name_are_two() {
    let (backend, live) = backend(vec![server("a"), server("a")]);
    assert!(!Arc::ptr_eq(&live[0], &live[1]));
    backend.administer(&live[0], Admin::Maintenance, Reason::Administrator);
    assert!(!live[0].is_up() && live[1].is_up());
    let again = adopt(&backend, vec![server("a"), server("a")]);
    assert!(Arc::ptr_eq(&live[0], &again[0]) && Arc::ptr_eq(&live[1], &again[1]));
}

#[test]
fn a_server_that_moves_keeps_its_verdict_and_is_checked_at_once() {
    let checked = |port| plan::Server {
        address: ServerAddress {
            ip: Some([127, 0, 0, 1].into()),
            port: ServerPort::Fixed(port),
        },
        check: Some(ServerCheck {
            port,
            ..ServerCheck::default()
        }),
        ..server("a")
    };
    let (backend, live) = backend(vec![checked(80)]);
    backend.checked(&live[0], Report::new(Status::L4Refused));
    assert!(!live[0].is_up());
    let later = Instant::now() + Duration::from_secs(60);
    live[0].next_check.set(later);
    adopt(&backend, vec![checked(80)]);
    assert_eq!(live[0].next_check.at(), Some(later));
    let again = adopt(&backend, vec![checked(81)]);
    assert!(Arc::ptr_eq(&live[0], &again[0]));
    assert!(!live[0].is_up());
    assert!(live[0].next_check.at().is_some_and(|due| due < later));
}

#[test]
fn the_oldest_of_both_queues_comes_first() {
    let limited = |name| plan::Server {
        maxconn: 1,
        ..server(name)
    };
    let (backend, live) = backend(vec![limited("a")]);
    let held = slot(backend.choose(ask()));
    let start = Instant::now();
    let at = |ms, only| Ask {
        since: start + Duration::from_millis(ms),
        only,
        ..ask()
    };
    let mut own = ticket(backend.choose(at(5, Some(&live[0]))));
    let mut any = ticket(backend.choose(at(3, None)));
    assert_eq!((backend.waiting(), live[0].waiting()), (1, 1));
    drop(held);
    let Some(Turn::Served(slot)) = turn(&mut any) else {
        panic!("the older one waits on");
    };
    assert!(turn(&mut own).is_none());
    drop(slot);
    assert!(matches!(turn(&mut own), Some(Turn::Served(_))));
}

#[test]
fn who_gives_up_leaves_no_trace() {
    let limited = plan::Server {
        maxconn: 1,
        maxqueue: 1,
        ..server("a")
    };
    let (backend, live) = backend(vec![limited]);
    let held = slot(backend.choose(ask()));
    let only = Ask {
        only: Some(&live[0]),
        preferred: None,
        ..ask()
    };
    let gone = ticket(backend.choose(only));
    assert!(matches!(backend.choose(only), Choice::Full(_)));
    drop(gone);
    assert_eq!(live[0].waiting(), 0);
    let mut next = ticket(backend.choose(only));
    drop(held);
    assert!(matches!(turn(&mut next), Some(Turn::Served(_))));
    drop(next);
    assert_eq!(live[0].sessions(), 0);
    // A turn that nobody has looked at is given on as well.
    let held = slot(backend.choose(ask()));
    let unseen = ticket(backend.choose(only));
    drop(held);
    drop(unseen);
    assert_eq!(live[0].sessions(), 0);
}

#[test]
fn those_who_wait_for_a_server_that_goes_down_go_elsewhere_with_redispatch() {
    for redispatch in [false, true] {
        let backend = Arc::new(Backend::new(1));
        let plan = plan(|proxy| {
            proxy.options.redispatch = redispatch;
            let one = |name| plan::Server {
                maxconn: 1,
                ..server(name)
            };
            proxy.servers = vec![one("a"), one("b")];
        });
        let live = backend.adopt(&plan, ProxyId(0));
        let only = Ask {
            only: Some(&live[0]),
            preferred: None,
            ..ask()
        };
        let _held = slot(backend.choose(only));
        let mut waits = ticket(backend.choose(only));
        let mut faithful = ticket(backend.choose(Ask {
            faithful: true,
            ..only
        }));
        backend.administer(&live[0], Admin::Maintenance, Reason::Administrator);
        let moved = matches!(turn(&mut waits), Some(Turn::Elsewhere));
        assert_eq!(moved, redispatch);
        assert!(turn(&mut faithful).is_none());
    }
}

#[test]
fn limits_grow_with_the_backend() {
    let member = |minconn, maxconn, share| Member {
        live: Arc::new(Server::new(&server("a"), 1)),
        candidate: Candidate {
            id: 1,
            weight: 1,
            backup: false,
        },
        maxconn,
        minconn,
        maxqueue: 0,
        slowstart: 0,
        queue: Queue::default(),
        share,
    };
    for (minconn, maxconn, share, sessions, fullconn, limit) in [
        (0, 0, 100, 5, 10, 0),
        (0, 7, 100, 5, 10, 7),
        (1, 4, 100, 1, 8, 1),
        (1, 4, 100, 4, 8, 2),
        (1, 4, 100, 8, 8, 4),
        (1, 4, 100, 9, 8, 4),
        (0, 10, 35, 1, 8, 3),
        (0, 10, 1, 1, 8, 1),
    ] {
        let found = member(minconn, maxconn, share).limit(sessions, fullconn);
        assert_eq!(found, limit, "{minconn} {maxconn} {share} {sessions}");
    }
}

#[test]
fn a_tracked_server_takes_those_along_that_track_it() {
    let (one, tracked) = backend(vec![plan::Server {
        check: Some(ServerCheck::default()),
        ..server("a")
    }]);
    let (two, followers) = backend(vec![server("t"), server("u")]);
    followers[0].follow("one", &tracked[0], &two);
    two.refresh_all();
    one.checked(&tracked[0], Report::new(Status::L4Refused));
    assert!(!tracked[0].is_up() && !followers[0].is_up() && followers[1].is_up());
    assert_eq!(chosen(&two).as_deref(), Some("u"));
    one.checked(&tracked[0], Report::new(Status::L4Ok));
    one.checked(&tracked[0], Report::new(Status::L4Ok));
    assert!(followers[0].is_up());
    one.administer(&tracked[0], Admin::Maintenance, Reason::Administrator);
    assert_eq!(followers[0].state().to_string(), "MAINT (via one/a)");
}

/// Waits for the turn of a ticket, on this thread.
fn wait(ticket: &mut Ticket) -> Turn {
    loop {
        if let Some(turn) = turn(ticket) {
            return turn;
        }
        std::thread::yield_now();
    }
}

/// How many of so many choices fall on a server.
fn share(backend: &Arc<Backend>, server: &Arc<Server>, choices: u32) -> u32 {
    let chosen = (0..choices).filter_map(|_| slot(backend.choose(ask())));
    let own = chosen.filter(|slot| Arc::ptr_eq(&slot.server, server));
    own.count() as u32
}

#[tokio::test(start_paused = true)]
async fn a_server_that_came_up_gets_its_share_second_by_second() {
    let slow = plan::Server {
        slowstart: Some(Duration::from_secs(8)),
        check: Some(ServerCheck {
            rise: 1,
            fall: 1,
            ..ServerCheck::default()
        }),
        ..server("slow")
    };
    let (backend, live) = backend(vec![server("other"), slow]);
    backend.checked(&live[1], Report::new(Status::L4Refused));
    assert_eq!(share(&backend, &live[1], 32), 0);
    backend.checked(&live[1], Report::new(Status::L4Ok));
    for second in 0..10 {
        // Of 16 parts one more with every half of a second, as far as whole seconds tell.
        let parts = (second * 2 + 1).min(16);
        let next = backend.warm_up();
        let of_slow = share(&backend, &live[1], 4 * (16 + parts));
        assert!(of_slow.abs_diff(4 * parts) <= 1, "{second} s: {of_slow}");
        let shown = live[1].health(Dialect::V1_8, Instant::now());
        let throttle = (second < 8).then_some((second * 100 / 8).max(1));
        assert_eq!(shown.throttle, throttle, "{second} s");
        assert_eq!(next.is_some(), second < 8, "{second} s");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[test]
fn workers_never_exceed_a_limit_and_lose_nobody() {
    let (backend, live) = backend(vec![plan::Server {
        maxconn: 3,
        ..server("a")
    }]);
    let served = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let _slot = match backend.choose(ask()) {
                        Choice::Server(slot) => slot,
                        Choice::Wait(mut ticket) => match wait(&mut ticket) {
                            Turn::Served(slot) => slot,
                            Turn::Elsewhere => panic!("there is nowhere else"),
                        },
                        other => panic!("{other:?}"),
                    };
                    assert!(live[0].sessions() <= 3);
                    served.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            });
        }
    });
    assert_eq!(served.into_inner(), 16_000);
    assert_eq!((live[0].sessions(), live[0].peak.get()), (0, 3));
    assert_eq!(backend.waiting(), 0);
}

/// `cargo test --release -p hapax what_a_choice_costs -- --ignored --nocapture`
#[test]
#[ignore = "measures, which takes a quiet machine"]
#[allow(clippy::print_stdout, reason = "the figures are the result")]
fn what_a_choice_costs() {
    const CHOICES: u32 = 2_000_000;
    let cases = [
        ("roundrobin", Balance::RoundRobin, 1, 0),
        ("roundrobin", Balance::RoundRobin, 2, 0),
        ("roundrobin", Balance::RoundRobin, 10, 0),
        ("roundrobin", Balance::RoundRobin, 100, 0),
        ("roundrobin", Balance::RoundRobin, 10, 100),
        ("static-rr", Balance::StaticRr, 10, 0),
        ("leastconn", Balance::LeastConn, 10, 0),
        ("source", Balance::Source, 10, 0),
    ];
    for (name, balance, count, maxconn) in cases {
        let member = |number| plan::Server {
            maxconn,
            ..server(&format!("s{number}"))
        };
        let backend = Arc::new(Backend::new(8));
        let plan = plan(|proxy| {
            proxy.balance = balance;
            proxy.servers = (0..count).map(member).collect();
        });
        backend.adopt(&plan, ProxyId(0));
        for threads in [1, 2, 8] {
            let began = std::time::Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for number in 0..CHOICES / threads {
                            let asked = Ask {
                                hash: Some(number.wrapping_mul(0x9E37_79B9)),
                                ..ask()
                            };
                            drop(backend.choose(asked));
                        }
                    });
                }
            });
            let each = began.elapsed().as_nanos() / u128::from(CHOICES);
            println!(
                "{name:<10} {count:>3} servers, maxconn {maxconn:>3}, {threads} threads: {each} ns"
            );
        }
    }
}

#[test]
fn a_server_that_is_down_stays_so_after_maintenance() {
    let checked = plan::Server {
        check: Some(ServerCheck::default()),
        ..server("a")
    };
    // In 1.4 it would be up.
    let plan = Plan {
        maps: Vec::new(),
        pattern_users: Vec::new(),
        dialect: Dialect::V1_8,
        ..Plan::clone(&plan(|proxy| proxy.servers = vec![checked]))
    };
    let backend = Arc::new(Backend::new(1));
    let live = backend.adopt(&Arc::new(plan), ProxyId(0));
    let administer = |wish| {
        backend.administer(&live[0], wish, Reason::Administrator);
        live[0].state().to_string()
    };
    assert_eq!(administer(Admin::Maintenance), "MAINT");
    assert!(administer(Admin::Ready).starts_with("UP"));
    backend.set_health(&live[0], false, false, Reason::Page);
    assert_eq!(administer(Admin::Maintenance), "MAINT");
    // Nobody can say how it is now.
    backend.set_health(&live[0], true, false, Reason::Page);
    assert_eq!(administer(Admin::Drain), "DOWN");
    assert_eq!(administer(Admin::Ready), "DOWN");
    backend.set_health(&live[0], true, false, Reason::Page);
    assert_eq!(administer(Admin::Drain), "DRAIN");
    live[0].pause_checks(true);
    assert_eq!(administer(Admin::Ready), "no check");
}
