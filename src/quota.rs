//! Totals that all connections share, such as the memory of requests: each connection holds a
//! [`Charge`] on an [`Account`], which is given back once, when it is dropped.
//!
//! An account has a limit, of which each user may have a share. Pure: it owns numbers, makes
//! no system call and reads no clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The user of a charge. All clients of unknown users are one user.
pub type User = Option<u32>;

#[derive(Debug, Default)]
struct Books {
    limit: Cell<u64>,
    share: Cell<u64>,
    used: Cell<u64>,
    users: RefCell<BTreeMap<User, u64>>,
    released: Cell<bool>,
}

impl Books {
    fn used_by(&self, user: User) -> u64 {
        self.users.borrow().get(&user).copied().unwrap_or_default()
    }

    /// Puts `new` in the place of `old` for a user.
    fn replace(&self, user: User, old: u64, new: u64) {
        self.used.set(self.used.get() - old + new);
        let mut users = self.users.borrow_mut();
        let used = users.entry(user).or_default();
        *used = *used - old + new;
        if *used == 0 {
            users.remove(&user);
        }
        if new < old {
            self.released.set(true);
        }
    }
}

/// A total that is shared.
#[derive(Debug, Default)]
pub struct Account(Rc<Books>);

impl Account {
    /// Sets the limit, of which one user may have `percent` percent, rounded up. What is in use
    /// above it stays until it is given back.
    pub fn configure(&self, limit: u64, percent: u8) {
        let share = (u128::from(limit) * u128::from(percent)).div_ceil(100);
        self.0.limit.set(limit);
        // No more than the limit, as long as the percentage is one.
        self.0.share.set(u64::try_from(share).unwrap_or(limit));
        // There may be more room than there was.
        self.0.released.set(true);
    }

    /// How much is in use.
    pub fn used(&self) -> u64 {
        self.0.used.get()
    }

    /// How much a user holds.
    pub fn used_by(&self, user: User) -> u64 {
        self.0.used_by(user)
    }

    /// Whether all of it is in use.
    pub fn is_full(&self) -> bool {
        self.used() >= self.0.limit.get()
    }

    /// Whether something was given back since [`Account::take_released`].
    pub fn has_released(&self) -> bool {
        self.0.released.get()
    }

    /// Whether something was given back since the last call.
    pub fn take_released(&self) -> bool {
        self.0.released.take()
    }

    /// A charge of nothing yet, for a user.
    pub fn open(&self, user: User) -> Charge {
        Charge {
            books: Rc::clone(&self.0),
            user,
            amount: 0,
        }
    }
}

/// What one connection holds of a total.
#[derive(Debug)]
pub struct Charge {
    books: Rc<Books>,
    user: User,
    amount: u64,
}

/// There is no room for more. The limit is the total's, or the user's share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// The limit that was met.
    pub limit: u64,
}

impl Charge {
    /// How much is held.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// How much more may be held now.
    pub fn room(&self) -> u64 {
        let books = &self.books;
        let total = books.limit.get().saturating_sub(books.used.get());
        let own = books.share.get();
        total.min(own.saturating_sub(books.used_by(self.user)))
    }

    /// Holds `amount`, whatever the limit: it is there already.
    pub fn set(&mut self, amount: u64) {
        if amount != self.amount {
            self.books.replace(self.user, self.amount, amount);
            self.amount = amount;
        }
    }

    /// Holds `more` in addition.
    ///
    /// # Errors
    ///
    /// When there is no room for it. Nothing changes then.
    pub fn grow(&mut self, more: u64) -> Result<(), Full> {
        if more <= self.room() {
            self.set(self.amount + more);
            return Ok(());
        }
        let books = &self.books;
        let left = books.limit.get().saturating_sub(books.used.get());
        let limit = if left < more {
            &books.limit
        } else {
            &books.share
        };
        Err(Full { limit: limit.get() })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limit: u64, percent: u8) -> Account {
        let account = Account::default();
        account.configure(limit, percent);
        account
    }

    const ONE: User = Some(1);
    const TWO: User = Some(2);

    #[test]
    fn a_user_has_its_share_and_all_have_the_total() {
        let account = account(100, 50);
        let (mut one, mut two) = (account.open(ONE), account.open(TWO));
        let mut nobody = account.open(None);
        assert_eq!(one.room(), 50);
        one.grow(40).unwrap();
        assert_eq!((one.room(), account.open(ONE).room()), (10, 10));
        assert_eq!(one.grow(11), Err(Full { limit: 50 }));
        two.grow(50).unwrap();
        assert_eq!((nobody.room(), account.used()), (10, 90));
        assert_eq!(nobody.grow(11), Err(Full { limit: 100 }));
        nobody.grow(10).unwrap();
        assert_eq!(one.room(), 0);
    }

    #[test]
    fn a_charge_is_given_back_once() {
        let account = account(100, 100);
        assert!(account.take_released());
        let mut charge = account.open(ONE);
        charge.set(70);
        assert!(!account.take_released());
        charge.set(20);
        assert!(account.take_released());
        assert_eq!(account.used(), 20);
        let other = account.open(ONE);
        drop(charge);
        drop(other);
        assert!(account.take_released());
        assert_eq!(account.used(), 0);
        assert!(account.0.users.borrow().is_empty());
    }

    #[test]
    fn what_is_there_counts_above_a_lower_limit() {
        let account = account(100, 100);
        let mut charge = account.open(ONE);
        charge.grow(80).unwrap();
        account.configure(50, 34);
        assert_eq!((charge.room(), account.used()), (0, 80));
        assert_eq!(charge.grow(1), Err(Full { limit: 50 }));
        charge.set(10);
        assert_eq!(charge.room(), 7);
        assert_eq!(charge.grow(8), Err(Full { limit: 17 }));
    }

    #[test]
    fn no_limit_is_too_large() {
        let account = account(u64::MAX, 99);
        assert!(account.open(ONE).room() > u64::MAX / 2);
    }
}
