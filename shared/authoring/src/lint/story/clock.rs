//! How time passes in a story: waits, hours in which mail leaves, dates that come or have passed.

use chrono::{Days, NaiveDateTime, TimeDelta};
use dacapo_engine::campaign::format::{DateTimer, Repeat, Wait};
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::FieldKey;
use dacapo_engine::time::{Weekdays, Zone};

use super::Story;
use super::making::{ChangeOfBoth, read_date};

impl Story<'_> {
    pub(super) fn wait(&mut self, wait: &Wait) {
        if let Some(span) = wait.duration {
            self.pass_span(span);
        }
        if wait.until.is_some() {
            self.later(TimeDelta::days(8));
        }
        self.later(TimeDelta::minutes(1));
    }

    pub(super) fn outside(&mut self, weekdays: Option<Weekdays>) {
        match weekdays {
            None => {}
            Some(Weekdays::EVERY_DAY) => self.later(TimeDelta::days(1)),
            Some(_) => self.later(TimeDelta::days(8)),
        }
    }

    /// Time passes until the timer has fired; before that a date is set, if there is none.
    pub(super) fn reach_date(&mut self, timer: &DateTimer) -> Option<()> {
        let Some(field) = &timer.field else {
            let day = timer.date.as_ref()?;
            let at = day.instant(Zone::UTC).or_else(|| Some(timer.at.on(day.day()?, Zone::UTC)))?;
            let moment = timer.offset.after(at, Zone::UTC).naive_utc();
            return self.arrive(moment, timer);
        };
        let far = if timer.offset.is_negative() { 60 } else { 2 };
        let moment = self.moment(timer, field, self.now + TimeDelta::days(far))?;
        if timer.repeat == Some(Repeat::Yearly) {
            self.later(TimeDelta::days(380));
            return Some(());
        }
        self.arrive(moment, timer)
    }

    fn arrive(&mut self, moment: NaiveDateTime, timer: &DateTimer) -> Option<()> {
        // A date without a time has one in `at`, on the same day.
        let latest = moment.checked_add_days(Days::new(1))?;
        if moment < self.now {
            return None;
        }
        self.now = if self.is_day(timer) { latest } else { moment + TimeDelta::minutes(1) };
        self.outside(timer.window.as_ref().map(|window| window.weekdays));
        Some(())
    }

    fn is_day(&self, timer: &DateTimer) -> bool {
        match (&timer.field, &timer.date) {
            (Some(field), _) => self.facts.field_type(field) == Some(FieldType::Date),
            (None, Some(date)) => date.day().is_some(),
            (None, None) => false,
        }
    }

    /// The date is set so that the moment has passed on arrival.
    pub(super) fn miss_date(&mut self, timer: &DateTimer) -> Option<()> {
        let field = timer.field.as_ref()?;
        if timer.repeat.is_some() {
            return None;
        }
        let moment = self.moment(timer, field, self.now - TimeDelta::days(30))?;
        (moment + TimeDelta::days(1) < self.now).then_some(())
    }

    /// The timer's moment by the date that is in the field; without one, `date` is set before.
    fn moment(
        &mut self,
        timer: &DateTimer,
        field: &FieldKey,
        date: NaiveDateTime,
    ) -> Option<NaiveDateTime> {
        let known = self.subject.fields.get(field).and_then(read_date);
        if known.is_none() {
            // Who books gives the date with it.
            let mut both = ChangeOfBoth::default();
            both.subject.fields.insert(field.clone(), self.date_value(field, date)?);
            self.before(both)?;
        }
        Some(timer.offset.after(known.unwrap_or(date).and_utc(), Zone::UTC).naive_utc())
    }
}
