//! Bytes a second of each job, from the differences of two samples.

use std::collections::BTreeMap;

use sockexec::control::payload::Job;

use super::sample::Sample;

/// Bytes a second of one job.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Of standard input.
    pub input: f64,
    /// Of standard output and standard error.
    pub output: f64,
}

/// The flows since the sample before, or since the start of a job that has come after it.
pub fn flows(before: Option<&Sample>, after: &Sample) -> BTreeMap<u64, Flow> {
    let before = before.filter(|before| before.status.pid == after.status.pid);
    let elapsed = before.map(|before| after.status.uptime - before.status.uptime);
    let earlier = before.map(|before| &before.jobs[..]).unwrap_or_default();
    let earlier: BTreeMap<u64, &Job> = earlier.iter().map(|job| (job.id, job)).collect();
    let flow = |job: &Job| {
        let time = match elapsed {
            Some(elapsed) => elapsed.min(job.age),
            None => job.age,
        };
        let (input, output) = earlier.get(&job.id).map_or((0, 0), |job| moved(job));
        let per_second = |before, after: u64| after.saturating_sub(before) as f64 / time;
        let (all_input, all_output) = moved(job);
        let flow = Flow {
            input: per_second(input, all_input),
            output: per_second(output, all_output),
        };
        (time > 0.0).then_some((job.id, flow))
    };
    after.jobs.iter().filter_map(flow).collect()
}

/// The bytes of a job until now.
fn moved(job: &Job) -> (u64, u64) {
    (job.input, job.out.saturating_add(job.err))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(pid: u32, uptime: f64, jobs: &[(u64, f64, u64)]) -> Sample {
        let jobs = jobs.iter().map(|&(id, age, bytes)| {
            json!({"id": id, "age": age, "in": bytes, "out": bytes, "err": bytes})
        });
        let jobs = jobs.collect::<Vec<_>>();
        Sample::new(json!({"pid": pid, "uptime": uptime}), json!(jobs)).unwrap()
    }

    #[test]
    fn flows_are_differences_by_the_servers_clock() {
        let before = sample(1, 10.0, &[(1, 5.0, 100), (2, 5.0, 100)]);
        let after = sample(
            1,
            12.0,
            &[(1, 7.0, 300), (3, 1.0, 50), (4, 9.0, 40), (5, 0.0, 9)],
        );
        let flows_now = flows(Some(&before), &after);
        let flow = |id| flows_now.get(&id).map(|flow| (flow.input, flow.output));
        assert_eq!(flow(1), Some((100.0, 200.0)));
        // It has ended.
        assert_eq!(flow(2), None);
        // It has started in between.
        assert_eq!(flow(3), Some((50.0, 100.0)));
        assert_eq!(flow(4), Some((20.0, 40.0)));
        assert_eq!(flow(5), None);
    }

    #[test]
    fn without_a_sample_of_the_same_server_flows_are_since_the_start() {
        let after = sample(1, 12.0, &[(1, 8.0, 80)]);
        for before in [None, Some(sample(2, 10.0, &[(1, 6.0, 70)]))] {
            let flows = flows(before.as_ref(), &after);
            assert_eq!(flows[&1].input, 10.0);
        }
    }
}
