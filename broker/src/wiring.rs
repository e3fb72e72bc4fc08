//! From a configuration to running parts, and back down again.
//!
//! What is opened first is closed last: journal, judges, intake, deliveries, timers; then the sources. On
//! the way down the sources stop first, so that whatever they offered is still answered.

use crate::admin::Admin;
use crate::clock::Steady;
use crate::config::{self, Config};
use crate::delivery;
use crate::exit::{Failure, Verdict, chain};
use crate::health::{Health, Trouble};
use crate::intake::{self, Intake};
use crate::journal::Mode;
use crate::pool::Pool;
use crate::protection::watch::Watch;
use crate::protection::{self, Again, Maker, Material};
use crate::queues::{self, Board, Queues, Way};
use crate::registry;
use crate::reload::Reload;
use crate::series;
use crate::timers::Timers;
use crate::wake::Wake;
use crate::world::{self, Tables};
use crate::{schemas, telemetry};
use adapters::budget::{self, Budget};
use adapters::clock::SystemClock;
use adapters::{folder, http, intake as entrance, tls};
use arc_swap::ArcSwap;
use broker_core::Protection;
use broker_core::journal::Delivery;
use broker_core::ports::{Clock, Destination, Store};
use dead_letter::Attempt;
use routing_rules::DestinationId;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Series that are told to one target at the same time.
const PUBLISHING: usize = 4;
/// Calls that telling a target of one message may take.
const CALLS: u32 = 10;

pub use crate::journal::Journal;

/// Opens the journal beside a broker that may be running.
///
/// # Errors
/// When it cannot be opened.
pub async fn open_journal(config: &Config) -> Result<Journal, Failure> {
    Journal::open(config, Mode::Admin).await
}

/// Runs the broker until it is told to stop (SIGTERM or SIGINT).
///
/// # Errors
/// When it cannot start, or a part of it ends that should not.
pub async fn run(config: Config) -> Result<Verdict, Failure> {
    let clock = Arc::new(Steady::new(SystemClock::new()));
    let metrics = telemetry::start_metrics(clock.now()).map_err(|e| Failure::Start(e.to_string()))?;
    let rendered = metrics.clone();
    let health = Health::default();
    health.trouble(Trouble::Starting, "Starting.");

    let schemas = Arc::new(schemas::load(config.schemas.as_deref()).map_err(Failure::Config)?);
    let tables = Tables::load(&config).map_err(Failure::Config)?;
    let port = Arc::clone(&clock) as Arc<dyn Clock>;
    let (made, material) = make_protection(&config, &tables, &port)?.unzip();
    let (maker, protection) = made.unzip();
    let world = world::world(&config, schemas, tables, protection.map(Arc::new));
    let world = Arc::new(ArcSwap::from_pointee(world));
    let config = Arc::new(config);
    // Before anything runs that would have to be stopped again.
    let admin = match config.admin.bind {
        Some(bind) => {
            let bound = TcpListener::bind(bind).await;
            Some((bind, bound.map_err(|e| Failure::Start(format!("admin.bind {bind}: {e}")))?))
        }
        None => None,
    };

    let store = Arc::new(Journal::open(&config, Mode::Run).await?);
    begin(&config, &store, clock.now()).await?;

    protection::announce(config.trust.as_ref(), &health);
    let revocation =
        config.trust.as_ref().map(|t| protection::revocation(t, &world, &port, &health)).transpose()?;
    if let (Some(revocation), Some(material)) = (&revocation, material) {
        revocation.begin().await;
        revocation.add_lists(material.lists).await;
    }

    let targets: Vec<DestinationId> =
        config.publish.keys().filter_map(|name| world::publishing_to(name)).collect();
    let wake = Wake::new(config.destinations.keys().chain(&targets));
    let pool = Arc::new(Pool::start(config.work.threads).map_err(|e| Failure::Start(e.to_string()))?);
    let budget = Budget::new(budget::Options {
        message_bytes: narrow(config.limits.message_bytes),
        total_bytes: narrow(config.work.bytes.0),
    });
    let (offers, offered) = mpsc::channel(config.work.messages);
    let entrance = entrance::Intake::new(offers, budget.clone(), Arc::clone(&clock) as Arc<dyn Clock>);

    // Two stages of stopping: sources first, then everything that works on what they offered.
    let (stop_sources, stop) = (CancellationToken::new(), CancellationToken::new());
    let mut parts: JoinSet<(&'static str, usize)> = JoinSet::new();
    let intake = Intake {
        options: intake::Options { window: config.work.messages, commit: config.work.commit },
        store: Arc::clone(&store),
        world: Arc::clone(&world),
        pool: Arc::clone(&pool),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        wake: wake.clone(),
        health: health.clone(),
        fetching: revocation.clone().zip(config.trust.as_ref()).map(|(revocation, trust)| intake::Fetching {
            revocation,
            patience: trust.revocation.timeout,
            hurry: stop_sources.clone(),
        }),
    };
    let intake = tokio::spawn(intake.run(offered, stop.clone()));
    let queues = Queues::new(config.amqp.clone(), Arc::new(Board::new(&health, &port)));
    for (name, settings) in &config.destinations {
        let place = Arc::new(Place::build(name, settings, &queues, &world, &port)?);
        let options = delivery::Options {
            destination: name.clone(),
            concurrency: settings.concurrency,
            // The adapter ends an attempt itself and knows best how; this is for one that hangs.
            timeout: settings.timeout + Duration::from_secs(1),
            schedule: settings.retry.clone(),
            breaker: settings.breaker.clone(),
        };
        let door = wake.door(name);
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let served = delivery::Loop::new(options, Arc::clone(&store), place, clock, door, health.clone());
        let stop = stop.clone();
        parts.spawn(async move { ("delivery", served.run(stop).await) });
    }
    for (name, settings) in &config.publish {
        let failed = |why: &str| Failure::Start(format!("publish.{name}: {why}"));
        let destination =
            world::publishing_to(name).ok_or_else(|| failed("its name cannot be that of a destination"))?;
        let registry = settings.publisher().map_err(|error| failed(&chain(&error)))?;
        let options = delivery::Options {
            destination: destination.clone(),
            concurrency: PUBLISHING,
            // Several calls each; the adapter ends every one of them itself.
            timeout: settings.timeout * CALLS,
            schedule: settings.retry.clone(),
            breaker: settings.breaker.clone(),
        };
        let target = series::publishing::Target {
            store: Arc::clone(&store),
            world: Arc::clone(&world),
            clock: Arc::clone(&port),
            registry,
        };
        let door = wake.door(&destination);
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let served =
            delivery::Loop::new(options, Arc::clone(&store), Arc::new(target), clock, door, health.clone());
        let stop = stop.clone();
        tracing::info!(target = name, "Documents are published to the target {name}.");
        parts.spawn(async move { ("publishing", served.run(stop).await) });
    }
    let timers = Timers {
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        wake: wake.clone(),
        health: health.clone(),
        check_every: config.journal.check_every,
        requests: takes_requests(&config).then(|| Arc::clone(&world)),
    };
    let stop_timers = stop.clone();
    parts.spawn(async move {
        timers.run(stop_timers).await;
        ("timers", 0)
    });
    if let (Some(maker), Some(revocation), Some(trust)) = (&maker, &revocation, &config.trust) {
        let again = Again {
            store: Arc::clone(&store),
            world: Arc::clone(&world),
            pool,
            revocation: revocation.clone(),
            schedule: trust.revocation.retry.clone(),
            clock: Arc::clone(&port),
            wake: wake.clone(),
            health: health.clone(),
        };
        let registry = protection::Registry { maker: Arc::clone(maker), world: Arc::clone(&world) };
        let watch = Watch {
            world: Arc::clone(&world),
            store: Arc::clone(&store),
            clock: Arc::clone(&port),
            health: health.clone(),
        };
        let revocation = revocation.clone();
        let stop = stop.clone();
        parts.spawn(async move {
            tokio::join!(
                registry.run(stop.clone()),
                watch.run(stop.clone()),
                revocation.run(stop.clone()),
                again.run(stop.clone()),
            );
            ("trust", 0)
        });
    }
    if let Some(settings) = &config.registry {
        let follow = registry::Follow {
            directory: registry::directory(settings, Arc::clone(&port))?,
            every: settings.ask_every,
            world: Arc::clone(&world),
            store: Arc::clone(&store),
            clock: Arc::clone(&port),
            health: health.clone(),
        };
        let stop = stop.clone();
        parts.spawn(async move {
            follow.run(stop).await;
            ("registry", 0)
        });
    }
    let hangup = Arc::new(Notify::new());
    let reload = Reload {
        config: Arc::clone(&config),
        world,
        store: Arc::clone(&store),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        health: health.clone(),
        now: Arc::clone(&hangup),
        trust: maker.zip(revocation),
    };
    let stop_reload = stop_sources.clone();
    parts.spawn(async move {
        reload.run(stop_reload).await;
        ("reload", 0)
    });
    if let Some((bind, listener)) = admin {
        let refresh = Arc::new(move || telemetry::bytes_in_flight(budget.in_flight()));
        let server = Admin { health: health.clone(), metrics, refresh };
        tracing::info!(address = %bind, "Metrics and health are at http://{bind}/metrics and /health/ready.");
        let stop = stop.clone();
        parts.spawn(async move {
            if let Err(error) = server.run(listener, stop).await {
                tracing::error!("Metrics and health are gone: {error}.");
            }
            ("admin", 0)
        });
    }
    let sources =
        start_sources(&config, &entrance, &queues, &store, &health, &rendered, &stop_sources).await?;
    drop(entrance);

    health.over(Trouble::Starting);
    wake.ring_all();
    tracing::info!("Budstikke {} is ready.", env!("CARGO_PKG_VERSION"));
    let early = wait_for_the_end(&mut parts, &hangup).await?;
    if let Some(part) = early {
        tracing::error!(
            part,
            "A part of the broker ended although nobody asked it to: {part}. The broker stops."
        );
    }

    health.trouble(Trouble::Stopping, "Stopping.");
    tracing::info!("Stopping: nothing new is taken in; what is in hand is finished.");
    stop_sources.cancel();
    let left = drain(sources, intake, parts, stop, config.work.grace).await;
    if let Err(error) = store.note("stop", &format!("{left} left in hand"), clock.now()).await {
        tracing::warn!("The stop could not be noted: {error}.");
    }
    store.close().await;
    match (left, early) {
        (0, None) => tracing::info!("Stopped; nothing was left in hand."),
        (0, Some(_)) => tracing::info!("Stopped after a fault; nothing was left in hand."),
        (left, _) => tracing::warn!(
            left,
            "Stopped with {left} deliveries in hand; they are unsure, and are sent again at the next start."
        ),
    }
    Ok(Verdict::of(left == 0 && early.is_none()))
}

/// Some queue brings requests, whose senders wait.
fn takes_requests(config: &Config) -> bool {
    config.sources.amqp.values().any(|source| source.role == amqp_profile::Role::Sync)
}

/// What protection begins with, as the files say; none where no trust is configured.
#[expect(clippy::type_complexity, reason = "taken apart at once, by the one caller")]
fn make_protection(
    config: &Config,
    tables: &Tables,
    clock: &Arc<dyn Clock>,
) -> Result<Option<((Arc<Maker>, Protection), Material)>, Failure> {
    let Some(trust) = &config.trust else { return Ok(None) };
    let named = world::named_certificates(config, Some(&tables.parties));
    let material = Material::load(trust, named).map_err(Failure::Config)?;
    let maker = Maker::build(trust, clock)?;
    let protection = maker.protection(&material, None);
    Ok(Some(((Arc::new(maker), protection), material)))
}

/// What happens before anything is taken in: what was being sent when the process died is unsure now.
async fn begin(config: &Config, store: &Journal, now: jiff::Timestamp) -> Result<(), Failure> {
    if config.journal.verify_at_start
        && let Some(at) = store.broken_link().await?
    {
        let why = format!("the chain of events is broken at {at}");
        return Err(broker_core::ports::StoreError::Damaged(why).into());
    }
    let recovered = store.recover(now).await?;
    if recovered > 0 {
        tracing::warn!(
            recovered,
            "{recovered} deliveries were under way when the broker last ended; they are unsure and are sent again."
        );
    }
    let detail =
        format!("version {}, owner {}, {recovered} recovered", env!("CARGO_PKG_VERSION"), config.owner);
    store.note("start", &detail, now).await?;
    Ok(())
}

/// Waits for a signal. Says which part ended by itself, if one did.
async fn wait_for_the_end(
    parts: &mut JoinSet<(&'static str, usize)>,
    hangup: &Notify,
) -> Result<Option<&'static str>, Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::Start(format!("signals cannot be heard: {e}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hup = listen(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(None),
            _ = interrupt.recv() => return Ok(None),
            _ = hup.recv() => hangup.notify_one(),
            ended = parts.join_next() => {
                return Ok(match ended {
                    Some(Ok((part, _))) => Some(part),
                    Some(Err(_)) => Some("a part that failed"),
                    None => None,
                });
            }
        }
    }
}

/// Sources, then intake, then the rest; all within the grace period. Returns how many deliveries are left.
async fn drain(
    mut sources: JoinSet<()>,
    mut intake: tokio::task::JoinHandle<()>,
    mut parts: JoinSet<(&'static str, usize)>,
    stop: CancellationToken,
    grace: Duration,
) -> usize {
    let end = tokio::time::Instant::now() + grace;
    let calm = async {
        while sources.join_next().await.is_some() {}
        (&mut intake).await
    };
    if tokio::time::timeout_at(end, calm).await.is_err() {
        tracing::warn!("Intake did not finish in time; its sources keep what was not acknowledged.");
        intake.abort();
    }
    stop.cancel();
    let mut left = 0;
    loop {
        match tokio::time::timeout_at(end, parts.join_next()).await {
            Ok(Some(Ok((_, unsettled)))) => left += unsettled,
            Ok(Some(Err(_))) => {}
            Ok(None) => return left,
            Err(_) => {
                // Whatever is still being sent is `sending` in the journal, and unsure at the next start.
                return left + parts.len();
            }
        }
    }
}

/// Starts everything that offers messages.
async fn start_sources(
    config: &Arc<Config>,
    entrance: &entrance::Intake,
    queues: &Queues,
    store: &Arc<Journal>,
    health: &Health,
    metrics: &telemetry::Metrics,
    stop: &CancellationToken,
) -> Result<JoinSet<()>, Failure> {
    let mut sources = JoinSet::new();
    for (name, settings) in &config.sources.folders {
        let source = folder::Source::build(&format!("folder:{name}"), folder_in(settings), entrance.clone())
            .map_err(|error| Failure::Start(format!("sources.folders.{name}: {}", chain(&error))))?;
        tracing::info!(source = name, "Messages are picked up from the folder {name}.");
        sources.spawn(source.run(stop.clone()));
    }
    for (name, settings) in &config.sources.amqp {
        let source = queues
            .source(name, settings, entrance.clone())
            .map_err(|error| Failure::Start(format!("sources.amqp.{name}: {}", chain(&error))))?;
        tracing::info!(source = name, "Messages are taken from the queue {}.", settings.queue);
        sources.spawn(source.run(stop.clone()));
    }
    if let Some(settings) = &config.sources.http {
        let health = health.clone();
        let ready = move || {
            let report = health.report();
            let why = || report.reasons.values().map(String::as_str).collect::<Vec<_>>().join(" ");
            if report.ready { Ok(()) } else { Err(why()) }
        };
        let metrics = metrics.clone();
        let hooks = http::Hooks { ready: Arc::new(ready), metrics: Arc::new(move || metrics.render()) };
        let source =
            http::Source::bind("http", http_in(settings), entrance.clone(), Arc::clone(store), hooks)
                .await
                .map_err(|error| Failure::Start(format!("sources.http: {}", chain(&error))))?;
        tracing::info!(address = %settings.bind, "Messages are taken at {}/v1/messages.", settings.bind);
        sources.spawn(source.run(stop.clone()));
    }
    Ok(sources)
}

fn http_in(settings: &config::HttpIn) -> http::SourceOptions {
    http::SourceOptions {
        listen: settings.bind,
        token_file: settings.token_file.clone(),
        tls: settings.tls.as_ref().map(|tls| tls::ServerOptions {
            certificate_file: tls.certificate_file.clone(),
            key_file: tls.key_file.clone(),
        }),
        ..http::SourceOptions::default()
    }
}

fn folder_in(settings: &config::FolderIn) -> folder::SourceOptions {
    let mut options = folder::SourceOptions::new(settings.path.clone());
    options.poll = settings.poll_every;
    options.settle = settings.settle;
    options
}

/// Where deliveries go: one of the adapters.
enum Place {
    /// A folder.
    Folder(folder::Destination),
    /// A web address.
    Http(Box<http::Destination>),
    /// A queue.
    Amqp(queues::Destination),
}

impl Place {
    fn build(
        name: &DestinationId,
        settings: &config::Destination,
        queues: &Queues,
        world: &Arc<ArcSwap<broker_core::World>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let failed = |error: String| Failure::Start(format!("destinations.{name}: {error}"));
        if let Some(connection) = &settings.amqp {
            let way = match &settings.queue {
                Some(queue) => Way::to_queue(queue),
                None => {
                    Way::to_partners(queues.profile(connection).map_err(|e| failed(chain(&e)))?, world, clock)
                }
            };
            return queues
                .destination(connection, way, settings.timeout, settings.concurrency)
                .map(Self::Amqp)
                .map_err(|e| failed(chain(&e)));
        }
        match (&settings.folder, &settings.url) {
            (Some(path), _) => {
                let options = folder::DestinationOptions::new(path.clone());
                folder::Destination::build(options).map(Self::Folder).map_err(|e| failed(chain(&e)))
            }
            (None, Some(url)) => {
                let mut options = http::DestinationOptions::new(url.clone());
                options.token_file.clone_from(&settings.token_file);
                options.answer_timeout = settings.timeout;
                http::Destination::build(options)
                    .map(|h| Self::Http(Box::new(h)))
                    .map_err(|e| failed(chain(&e)))
            }
            (None, None) => Err(failed("it has no folder, no url and no queue".to_owned())),
        }
    }
}

impl Destination for Place {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        match self {
            Self::Folder(folder) => folder.send(delivery).await,
            Self::Http(http) => http.send(delivery).await,
            Self::Amqp(amqp) => amqp.send(delivery).await,
        }
    }
}

fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
