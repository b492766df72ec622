//! Carries out the orders of the schedule: in one flat loop, after the events.

use std::time::Duration;

use super::Server;
use super::listeners::Close;
use crate::schedule::{Class, Order, Rejection};
use crate::session::Input;

impl Server {
    /// Carries out orders until there are none. Returns whether the server must exit.
    pub(super) fn carry_out_orders(&mut self) -> bool {
        let mut over = false;
        while let Some(order) = self.schedule.poll(self.launcher.is_ready()) {
            match order {
                Order::Serve(id) => self.work(id, |connection, context| connection.pump(context)),
                Order::Refuse(id, reason) => self.work(id, |connection, context| {
                    connection.inform(refusal(reason), context);
                }),
                Order::Judge(id) => self.judge(id),
                Order::Launch(id) => self.launch(id),
                Order::Read { id, beyond } => self.work(id, |connection, context| {
                    connection.read_again(beyond, context);
                }),
                Order::Drop(id) => self.work(id, |connection, context| {
                    connection.inform(Input::ClientGone, context);
                }),
                Order::PauseListeners => self.close_listeners(|class| match class {
                    Class::Job => Close::Paused,
                    Class::Control => Close::No,
                }),
                Order::CloseListeners { control } => self.close_listeners(|class| match class {
                    Class::Job => Close::Emptied,
                    Class::Control if control => Close::Yes,
                    Class::Control => Close::No,
                }),
                Order::Leave => {
                    log::info!("idle, so leaving");
                    self.drain(Some(Duration::ZERO));
                }
                Order::Stop { grace_over } => {
                    if grace_over {
                        let active = self.schedule.counts().active;
                        log::info!("{active} connections are still active: ending them");
                    }
                    self.inform_all(|| Input::Stop);
                }
                Order::StopNow => self.inform_all(|| Input::StopNow),
                Order::End => over = true,
            }
        }
        over
    }
}

fn refusal(reason: Rejection) -> Input {
    match reason {
        Rejection::Crowded { limit } => Input::Crowded(limit),
        Rejection::Stopping => Input::Stop,
    }
}
