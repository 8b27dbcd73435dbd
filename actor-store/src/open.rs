//! Opening a store: telling a new one from an old one, an interrupted creation from damage, and files
//! that belong together from files that do not.
//!
//! Owns the order of creation, which makes every interruption recognizable: the journal's header is
//! durable before `dialogs.redb` is touched, and the first incarnation is counted only after the header
//! of `dialogs.redb` is durable. Never throws away a file that was in use.

use std::any::Any;
use std::sync::Arc;

use redb::{Database, StorageBackend};

use crate::backend::{Backend, Meter};
use crate::dialogs::{Content, Dialogs, read_header};
use crate::disk::Disk;
use crate::fault::{Boundary, Stop};
use crate::header::{FORMAT, Header, HeaderError, Kind, decode_reach};
use crate::journal::{Journal, TailError};
use crate::log::{self, Log, LogHeaderError};
use crate::open_error::OpenError;
use crate::options::{JournalKind, Options, Verification};
use crate::overlay::Overlay;
use crate::recovery::Recovery;
use crate::rows::Rows;
use crate::slots::Slots;
use crate::table::StoreId;
use crate::witness::Witness;

/// The journal is small and hot: it needs little of the cache.
const JOURNAL_CACHE_SHARE: usize = 8;
/// What redb writes first into a file, and last when it creates one.
const REDB_MAGIC: [u8; 9] = [b'r', b'e', b'd', b'b', 0x1A, 0x0A, 0xA9, 0x0D, 0x0A];

/// The parts of an open store, in the order in which they must be dropped.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) journal: Journal,
    pub(crate) dialogs: Dialogs,
    pub(crate) witness: Witness,
    pub(crate) slots: Slots,
    pub(crate) overlay: Overlay,
    pub(crate) header: Header,
    pub(crate) stop: Arc<Stop>,
    pub(crate) lock: Box<dyn Any + Send + Sync>,
}

pub(crate) fn open(
    disk: &Arc<dyn Disk>,
    options: &Options,
    fresh_id: StoreId,
) -> Result<Parts, OpenError> {
    let lock = disk.lock()?;
    disk.settle().map_err(|cause| OpenError::Io {
        path: disk.describe(),
        cause,
    })?;
    let meters = [Arc::new(Meter::default()), Arc::new(Meter::default())];
    let stop = Arc::new(Stop::new(Arc::clone(disk), meters.to_vec()));
    let [journal_meter, dialogs_meter] = meters;
    let journal_kind = journal_kind(disk.as_ref(), options)?;
    let journal_file = File::probe(disk, journal_kind, journal_meter, &stop)?;
    let dialogs_file = File::probe(disk, Kind::Dialogs, dialogs_meter, &stop)?;

    let (journal, journal_header) = match journal_kind {
        Kind::Log => open_log(journal_file, &dialogs_file, options, fresh_id)?,
        _ => open_rows(journal_file, &dialogs_file, options, fresh_id)?,
    };
    let (dialogs, dialogs_header) = open_dialogs(
        dialogs_file,
        journal.boundary().path(),
        journal_header,
        options,
    )?;
    if journal_header.store != dialogs_header.store {
        return Err(OpenError::DifferentStores {
            at: disk.describe(),
        });
    }
    if dialogs_header.incarnation > journal_header.incarnation {
        return Err(OpenError::DifferentDays {
            at: disk.describe(),
            detail: format!(
                "the tables were written in incarnation {}, the journal in {}",
                dialogs_header.incarnation, journal_header.incarnation
            ),
        });
    }
    let mut tail = Recovery::new();
    let recovered = journal.recover(dialogs_header.watermark, &mut tail);
    let last = recovered.map_err(|error| explain_tail(disk.as_ref(), &journal, error))?;
    if let Some(through) = reach(&dialogs)?
        && last < through
    {
        return Err(OpenError::DifferentDays {
            at: disk.describe(),
            detail: format!(
                "a fold through batch {through} has begun in the tables, the journal ends at batch {last}"
            ),
        });
    }
    let witness = Witness::open(disk.as_ref(), journal_header.store);
    if last < witness.newest() {
        return Err(OpenError::WentBack {
            path: journal.boundary().path().to_owned(),
            last,
            newest: witness.newest(),
        });
    }

    let header = Header {
        incarnation: journal_header.incarnation + 1,
        ..dialogs_header
    };
    // Durable before anything of this incarnation can leave.
    journal.write_header(&Header {
        watermark: 0,
        ..header
    })?;
    if let Journal::Log(log) = &journal {
        log.preallocate(options)?;
    }
    let slots = Slots::open(disk.as_ref(), header.store, header.incarnation);
    Ok(Parts {
        journal,
        dialogs,
        witness,
        slots,
        overlay: Overlay::recover(last, tail.finish()),
        header,
        stop,
        lock,
    })
}

/// What the journal is: what it was created as, or what a new one is to be.
fn journal_kind(disk: &dyn Disk, options: &Options) -> Result<Kind, OpenError> {
    let holds = |kind: Kind| {
        disk.holds(kind.file()).map_err(|cause| OpenError::Io {
            path: format!("{}/{}", disk.describe(), kind.file()),
            cause,
        })
    };
    match (holds(Kind::Journal)?, holds(Kind::Log)?) {
        (true, true) => Err(OpenError::TwoJournals {
            at: disk.describe(),
        }),
        (true, false) => Ok(Kind::Journal),
        (false, true) => Ok(Kind::Log),
        (false, false) => Ok(match options.journal {
            JournalKind::Database => Kind::Journal,
            JournalKind::Log => Kind::Log,
        }),
    }
}

fn explain_tail(disk: &dyn Disk, journal: &Journal, error: TailError) -> OpenError {
    match error {
        TailError::Fault(fault) => fault.into(),
        TailError::Damaged(detail) => OpenError::Damaged {
            path: journal.boundary().path().to_owned(),
            detail,
        },
        TailError::Gap(detail) => OpenError::DifferentDays {
            at: disk.describe(),
            detail,
        },
    }
}

fn open_log(
    file: File,
    dialogs: &File,
    options: &Options,
    fresh_id: StoreId,
) -> Result<(Journal, Header), OpenError> {
    // As with a database, see `open_rows`.
    let may_be_new = dialogs.state == State::Empty;
    let path = file.boundary.path().to_owned();
    let found = log::read_header(&file.backend).map_err(|error| match error {
        LogHeaderError::Io(cause) => OpenError::Io {
            path: path.clone(),
            cause,
        },
        LogHeaderError::Newer(found) => OpenError::Newer {
            path: path.clone(),
            found,
            known: FORMAT,
        },
    })?;
    let (header, segment_bytes) = match (found, file.state) {
        // One of its two headers is enough.
        (Some(found), _) => found,
        (None, State::Foreign) => {
            let detail = "neither a journal nor an interrupted one";
            return Err(OpenError::NotAStore { path, detail });
        }
        (None, State::Empty | State::Blank | State::Ours) if may_be_new => {
            let header = Header {
                store: fresh_id,
                incarnation: 0,
                watermark: 0,
            };
            (header, Log::segment_bytes(options))
        }
        (None, State::Empty) => {
            let other = dialogs.boundary.path().to_owned();
            return Err(OpenError::Missing { path, other });
        }
        (None, State::Blank) => return Err(OpenError::Blank { path }),
        (None, State::Ours) => {
            let detail = "neither of its two headers matches its checksum".to_owned();
            return Err(OpenError::Damaged { path, detail });
        }
    };
    let log = Log::new(file.boundary, file.backend, header.store, segment_bytes);
    if found.is_none() {
        log.write_header(&header)?;
    }
    Ok((Journal::Log(log), header))
}

fn open_rows(
    file: File,
    dialogs: &File,
    options: &Options,
    fresh_id: StoreId,
) -> Result<(Journal, Header), OpenError> {
    // The journal is created first: as long as `dialogs.redb` is untouched, an unfinished journal is
    // an interrupted creation and nothing was ever in it.
    let may_be_new = dialogs.state == State::Empty;
    if !may_be_new && file.state == State::Empty {
        return Err(OpenError::Missing {
            path: file.boundary.path().to_owned(),
            other: dialogs.boundary.path().to_owned(),
        });
    }
    let cache = options.cache_bytes / JOURNAL_CACHE_SHARE;
    let (boundary, db) = file.open(may_be_new, cache, true)?;
    let content = read_header(&db, &boundary);
    let journal = Journal::Rows(Rows::new(boundary, db));
    let header = match content? {
        Content::Row(row) => decode_header(journal.boundary(), Kind::Journal, &row)?,
        Content::Nothing if may_be_new => {
            let header = Header {
                store: fresh_id,
                incarnation: 0,
                watermark: 0,
            };
            journal.write_header(&header)?;
            header
        }
        Content::Nothing | Content::Foreign => return Err(foreign(journal.boundary())),
    };
    Ok((journal, header))
}

fn open_dialogs(
    file: File,
    journal_path: &str,
    journal: Header,
    options: &Options,
) -> Result<(Dialogs, Header), OpenError> {
    // Until the first incarnation is counted, an unfinished file is an interrupted creation.
    let may_be_new = journal.incarnation == 0;
    if !may_be_new && file.state == State::Empty {
        return Err(OpenError::Missing {
            path: file.boundary.path().to_owned(),
            other: journal_path.to_owned(),
        });
    }
    let (boundary, db) = file.open(
        may_be_new,
        options.cache_bytes - options.cache_bytes / JOURNAL_CACHE_SHARE,
        options.verify == Verification::AtOpen,
    )?;
    let content = read_header(&db, &boundary);
    let dialogs = Dialogs::new(boundary, db);
    let header = match content? {
        Content::Row(row) => decode_header(dialogs.boundary(), Kind::Dialogs, &row)?,
        Content::Nothing if may_be_new => {
            dialogs.create(&journal)?;
            journal
        }
        Content::Nothing | Content::Foreign => return Err(foreign(dialogs.boundary())),
    };
    Ok((dialogs, header))
}

/// How far the fold goes that was begun last. What it has put into the tables is durable in every journal that they may be
/// opened with.
fn reach(dialogs: &Dialogs) -> Result<Option<u64>, OpenError> {
    let Some(row) = dialogs.reach()? else {
        return Ok(None);
    };
    let through = decode_reach(&row).ok_or_else(|| OpenError::Damaged {
        path: dialogs.boundary().path().to_owned(),
        detail: "the row that says how far a fold goes does not match its checksum".to_owned(),
    })?;
    Ok(Some(through))
}

fn foreign(boundary: &Boundary) -> OpenError {
    OpenError::NotAStore {
        path: boundary.path().to_owned(),
        detail: "a redb database without our header",
    }
}

fn decode_header(boundary: &Boundary, kind: Kind, row: &[u8]) -> Result<Header, OpenError> {
    Header::decode(kind, row).map_err(|error| match error {
        HeaderError::Foreign => OpenError::NotAStore {
            path: boundary.path().to_owned(),
            detail: "its header is another program's, or that of the other file",
        },
        HeaderError::Newer(found) => OpenError::Newer {
            path: boundary.path().to_owned(),
            found,
            known: FORMAT,
        },
        HeaderError::Damaged => OpenError::Damaged {
            path: boundary.path().to_owned(),
            detail: "the header row does not match its checksum".to_owned(),
        },
    })
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Empty,
    /// Zeros where the magic number should be: creation was interrupted, or the page was lost.
    Blank,
    Ours,
    Foreign,
}

/// A file of the store before redb has seen it.
struct File {
    boundary: Boundary,
    backend: Backend,
    length: u64,
    state: State,
}

impl File {
    fn probe(
        disk: &Arc<dyn Disk>,
        kind: Kind,
        meter: Arc<Meter>,
        stop: &Arc<Stop>,
    ) -> Result<Self, OpenError> {
        let path = format!("{}/{}", disk.describe(), kind.file());
        let failed = |cause| OpenError::Io {
            path: path.clone(),
            cause,
        };
        let backend = Backend::new(disk.open(kind.file()).map_err(failed)?, Arc::clone(&meter));
        let length = backend.len().map_err(failed)?;
        let magic: &[u8] = match kind {
            Kind::Log => &kind.magic(),
            Kind::Journal | Kind::Dialogs => &REDB_MAGIC,
        };
        let mut start = [0; REDB_MAGIC.len()];
        let present = start
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        backend.read(0, &mut start[..present]).map_err(failed)?;
        let state = match start {
            _ if length == 0 => State::Empty,
            start if start.starts_with(magic) => State::Ours,
            _ if start.iter().all(|byte| *byte == 0) => State::Blank,
            _ => State::Foreign,
        };
        Ok(Self {
            boundary: Boundary::new(&path, meter, Arc::clone(stop)),
            backend,
            length,
            state,
        })
    }

    /// Opens the database, creating it if it is empty, or unfinished and `may_be_new`.
    fn open(
        self,
        may_be_new: bool,
        cache_bytes: usize,
        verify: bool,
    ) -> Result<(Boundary, Database), OpenError> {
        let path = self.boundary.path().to_owned();
        match self.state {
            State::Foreign => {
                return Err(OpenError::NotAStore {
                    path,
                    detail: "not a redb database",
                });
            }
            State::Blank if may_be_new => {
                // redb writes its magic number last, after a sync: nothing was ever committed here.
                let emptied = self.backend.set_len(0);
                emptied.map_err(|cause| OpenError::Io { path, cause })?;
            }
            State::Blank => return Err(OpenError::Blank { path }),
            State::Empty | State::Ours => {}
        }
        let Self {
            boundary,
            backend,
            length,
            ..
        } = self;
        let opened = boundary.run(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            builder.set_check_integrity_on_open(verify);
            Ok(builder.create_with_backend(backend)?)
        });
        match opened {
            Ok(db) => Ok((boundary, db)),
            Err(fault) => Err(explain(fault.into(), length)),
        }
    }
}

// The words are redb's. Should they change, the file is still refused, as damaged.
fn explain(error: OpenError, length: u64) -> OpenError {
    match error {
        OpenError::Damaged { path, detail } if detail.contains("truncated") => {
            OpenError::Truncated { path, length }
        }
        other => other,
    }
}
