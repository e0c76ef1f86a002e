//! [`Users`]: the users who are here, how many connections each has, and how fast these go together.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tidewire_hub::{Map, Seed, Timestamp, UserId};

use super::{
    bucket::{Bucket, Pace},
    generations::Generations,
    places::Full,
};

/// What one user may have on a node, all of its connections together. Those who have not said who they are
/// are not one user, and not bounded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct UserLimits {
    /// Connections. Zero: there is no limit.
    pub connection_count_max: u32,
    /// Commands.
    pub commands: Pace,
    /// Bytes in messages with commands.
    pub bytes: Pace,
    /// Users who have left, and whose paces are remembered: who comes back is as fast as if it had stayed.
    pub remembered_count_max: usize,
}

impl Default for UserLimits {
    /// Some devices with some tabs each, of which four or so are busy at a time.
    fn default() -> Self {
        Self {
            connection_count_max: 100,
            commands: Pace::new(2000, 5000),
            bytes: Pace::new(4 << 20, 16 << 20),
            remembered_count_max: 64 << 10,
        }
    }
}

/// The users who are here, shared by all threads.
///
/// Who enters gets a [`UserPlace`], and leaves by dropping it. There is one lock, which is held while somebody
/// comes or goes; to go at one's pace takes none.
#[derive(Debug, Clone)]
pub struct Users(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: UserLimits,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    /// Each with how many connections it has: at least one.
    here: Map<UserId, (u32, Arc<User>)>,
    /// What those who have left had spent.
    gone: Generations<UserId, Spent>,
}

/// One user, as all of its connections share it.
#[derive(Debug)]
struct User {
    name: UserId,
    commands: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Spent {
    commands: Bucket,
    bytes: Bucket,
}

/// The place of a connection among those of its user.
#[derive(Debug)]
#[must_use = "who drops it has left"]
pub struct UserPlace {
    users: Users,
    /// `None` for who is nobody in particular.
    user: Option<Arc<User>>,
}

/// Of what a user sends more than it may by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one for each limit")]
pub enum OverPace {
    /// Commands.
    Commands,
    /// Bytes.
    Bytes,
}

impl Users {
    /// Nobody yet.
    pub fn new(limits: UserLimits, seed: Seed) -> Self {
        let gone = Generations::new(limits.remembered_count_max, seed);
        let book = Book { here: Map::with_hasher(seed), gone };
        Self(Arc::new(Shared { limits, book: Mutex::new(book) }))
    }

    /// Takes a place for a connection of `user`.
    ///
    /// # Errors
    /// If the user has none left.
    pub fn enter(&self, user: &UserId) -> Result<UserPlace, Full> {
        if user.is_anonymous() {
            return Ok(UserPlace { users: self.clone(), user: None });
        }
        let count_max = self.0.limits.connection_count_max;
        let mut book = self.lock();
        let user = if let Some((count, user)) = book.here.get_mut(user) {
            if count_max != 0 && *count >= count_max {
                return Err(Full::User);
            }
            *count = count.saturating_add(1);
            Arc::clone(user)
        } else {
            let spent = book.gone.take(user).unwrap_or_default();
            let entered = Arc::new(User::new(user.clone(), spent));
            book.here.insert(user.clone(), (1, Arc::clone(&entered)));
            entered
        };
        drop(book);
        Ok(UserPlace { users: self.clone(), user: Some(user) })
    }

    /// A panic elsewhere has not made the counts wrong: nothing between lock and unlock panics.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are here, each once.
    pub fn count(&self) -> usize {
        self.lock().here.len()
    }
}

impl UserPlace {
    /// One more command.
    ///
    /// # Errors
    /// If the user's connections together send them faster than they may.
    pub fn take_command(&self, now: Timestamp) -> Result<(), OverPace> {
        let pace = self.users.0.limits.commands;
        let taken = self.user.as_ref().is_none_or(|user| take(&user.commands, now, 1, pace));
        if taken { Ok(()) } else { Err(OverPace::Commands) }
    }

    /// So many more bytes.
    ///
    /// # Errors
    /// If the user's connections together send them faster than they may.
    pub fn take_bytes(&self, now: Timestamp, len: usize) -> Result<(), OverPace> {
        let pace = self.users.0.limits.bytes;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let taken = self.user.as_ref().is_none_or(|user| take(&user.bytes, now, len, pace));
        if taken { Ok(()) } else { Err(OverPace::Bytes) }
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        let Some(user) = &self.user else { return };
        let mut book = self.users.lock();
        let Some((count, _)) = book.here.get_mut(&user.name) else { return };
        *count -= 1; // an entry is one at least
        if *count > 0 {
            return;
        }
        book.here.remove(&user.name);
        let spent = user.spent();
        // With both buckets full it is as good as a stranger.
        if spent != Spent::default() {
            book.gone.insert(user.name.clone(), spent);
        }
    }
}

impl User {
    fn new(name: UserId, spent: Spent) -> Self {
        let Spent { commands, bytes } = spent;
        Self {
            name,
            commands: AtomicU64::new(commands.into_bits()),
            bytes: AtomicU64::new(bytes.into_bits()),
        }
    }

    fn spent(&self) -> Spent {
        let bucket = |bits: &AtomicU64| Bucket::from_bits(bits.load(Ordering::Relaxed));
        Spent { commands: bucket(&self.commands), bytes: bucket(&self.bytes) }
    }
}

impl OverPace {
    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commands => "user_commands",
            Self::Bytes => "user_bytes",
        }
    }
}

impl fmt::Display for OverPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commands => "the user sends more commands than it may (user_command_rate)",
            Self::Bytes => "the user sends more bytes than it may (user_byte_rate)",
        })
    }
}

impl std::error::Error for OverPace {}

/// Takes `cost` out of a bucket that several threads share. It is one number, so no lock is needed.
fn take(bits: &AtomicU64, now: Timestamp, cost: u32, pace: Pace) -> bool {
    if pace.per_second == 0 {
        return true;
    }
    let taking = |bits| {
        let mut bucket = Bucket::from_bits(bits);
        bucket.take(now, cost, pace).ok().map(|()| bucket.into_bits())
    };
    bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taking).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(connections: u32, commands: Pace, bytes: Pace) -> Users {
        let limits = UserLimits {
            connection_count_max: connections,
            commands,
            bytes,
            remembered_count_max: 4,
        };
        Users::new(limits, Seed::new([1, 2]))
    }

    const NOW: Timestamp = Timestamp::from_millis(1000);

    #[test]
    fn connections_at_and_beyond() {
        let users = users(2, Pace::UNLIMITED, Pace::UNLIMITED);
        let (ann, bob) = (UserId::new("ann"), UserId::new("bob"));
        let first = users.enter(&ann).unwrap();
        let _second = users.enter(&ann).unwrap();
        assert_eq!(users.enter(&ann).unwrap_err(), Full::User);
        let _other = users.enter(&bob).unwrap();
        drop(first);
        let _third = users.enter(&ann).unwrap();
        // Nobody in particular is many.
        let _crowd = [(); 10].map(|()| users.enter(&UserId::default()).unwrap());
    }

    #[test]
    fn s7_all_connections_of_a_user_share_its_pace() {
        let users = users(0, Pace::new(10, 5), Pace::new(1000, 100));
        let ann = [(); 2].map(|()| users.enter(&UserId::new("ann")).unwrap());
        let bob = users.enter(&UserId::new("bob")).unwrap();
        for count in 0..5 {
            assert_eq!(ann[count % 2].take_command(NOW), Ok(()), "{count}");
        }
        for place in &ann {
            assert_eq!(place.take_command(NOW), Err(OverPace::Commands), "one more");
        }
        // Bytes are another bucket.
        assert_eq!(ann[0].take_bytes(NOW, 99), Ok(()));
        assert_eq!(ann[1].take_bytes(NOW, 2), Err(OverPace::Bytes));
        assert_eq!(ann[1].take_bytes(NOW, 1), Ok(()));
        // Nobody else pays for it.
        assert_eq!((bob.take_command(NOW), bob.take_bytes(NOW, 100)), (Ok(()), Ok(())));
        let later = Timestamp::from_millis(1100);
        assert_eq!(ann[1].take_command(later), Ok(()), "a tenth of a second later");
        assert_eq!(ann[0].take_command(later), Err(OverPace::Commands));
    }

    #[test]
    fn s7_who_leaves_and_comes_back_is_no_faster() {
        let users = users(0, Pace::new(1, 2), Pace::UNLIMITED);
        let ann = UserId::new("ann");
        for taken in [true, true, false, false] {
            let place = users.enter(&ann).unwrap();
            assert_eq!(place.take_command(NOW).is_ok(), taken);
        }
        // So many are remembered: then it is a stranger again.
        for stranger in 0..100 {
            let place = users.enter(&UserId::new(&stranger.to_string())).unwrap();
            place.take_command(NOW).unwrap();
            drop(place);
            assert!(users.lock().gone.len() <= 4);
        }
        assert_eq!(users.enter(&ann).unwrap().take_command(NOW), Ok(()));
    }

    #[test]
    fn nobody_in_particular_is_not_one_user() {
        let users = users(0, Pace::new(1, 1), Pace::new(1, 1));
        let crowd = [(); 3].map(|()| users.enter(&UserId::default()).unwrap());
        for place in crowd.iter().chain(&crowd) {
            assert_eq!((place.take_command(NOW), place.take_bytes(NOW, 10)), (Ok(()), Ok(())));
        }
    }

    #[test]
    fn nothing_is_left_behind() {
        let users = users(0, Pace::new(1, 1), Pace::UNLIMITED);
        let crowd: Vec<_> = (0..100)
            .map(|index: u32| users.enter(&UserId::new(&(index / 2).to_string())).unwrap())
            .collect();
        assert_eq!(users.count(), 50);
        drop(crowd);
        assert_eq!((users.count(), users.lock().gone.len()), (0, 0), "nobody has spent anything");
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let users = users(0, Pace::new(1, 1000), Pace::UNLIMITED);
        let taken = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                let place = users.enter(&UserId::new("ann")).unwrap();
                scope.spawn(move || (0..500).filter(|_| place.take_command(NOW).is_ok()).count())
            });
            threads.map(|thread| thread.join().unwrap()).into_iter().sum::<usize>()
        });
        assert_eq!(taken, 1000);
    }
}
