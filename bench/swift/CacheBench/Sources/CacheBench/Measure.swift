import Foundation

/// What one thread or task repeats: a call with the number of the key that is its turn.
enum Call {
    case blocking(@Sendable (Int) throws -> Void)
    case async(@Sendable (Int) async throws -> Void)
}

/// What was measured: microseconds per call, and calls per second.
struct Sample: Encodable {
    var calls: Int
    var wall: Double
    var cpu: Double
    var p50: Double
    var p99: Double
    var throughput: Double
}

/// When a caller began and ended, and how long each of its calls took.
private struct Times {
    var began: ContinuousClock.Instant
    var ended: ContinuousClock.Instant
    var calls: [Duration]
}

/// Runs the calls at once, each in a thread or task of its own, for about so long.
func measure(_ calls: [Call], seconds: Double) async throws -> Sample {
    _ = try await runAll(calls, seconds: seconds / 5)
    let cpuBefore = processorTime()
    let times = try await runAll(calls, seconds: seconds)
    let cpu = processorTime() - cpuBefore
    let all = times.flatMap(\.calls).sorted()
    let wall = (times.map(\.ended).max()! - times.map(\.began).min()!) / .seconds(1)
    let count = Double(all.count)
    return Sample(
        calls: all.count, wall: wall / count * Double(times.count) * 1e6, cpu: cpu / count * 1e6,
        p50: all[all.count / 2] / .microseconds(1), p99: all[min(all.count - 1, all.count * 99 / 100)] / .microseconds(1),
        throughput: count / wall)
}

private func runAll(_ calls: [Call], seconds: Double) async throws -> [Times] {
    try await withThrowingTaskGroup(of: Times.self) { group in
        for (first, call) in calls.enumerated() {
            group.addTask {
                switch call {
                case .blocking(let operation): try await inThread { try repeating(operation, seconds, first) }
                case .async(let operation): try await repeating(operation, seconds, first)
                }
            }
        }
        return try await group.reduce(into: []) { $0.append($1) }
    }
}

/// A thread of its own, as a program that blocks has it.
private func inThread(_ work: @escaping @Sendable () throws -> Times) async throws -> Times {
    try await withCheckedThrowingContinuation { done in
        Thread.detachNewThread { done.resume(with: Result(catching: work)) }
    }
}

private func repeating(_ operation: (Int) throws -> Void, _ seconds: Double, _ first: Int) throws -> Times {
    let clock = ContinuousClock()
    let began = clock.now
    var times = Times(began: began, ended: began, calls: [])
    var turn = first
    repeat {
        try operation(turn)
        turn += 1
        times.add(clock.now)
    } while times.ended < began + .seconds(seconds)
    return times
}

private func repeating(_ operation: (Int) async throws -> Void, _ seconds: Double, _ first: Int) async throws -> Times {
    let clock = ContinuousClock()
    let began = clock.now
    var times = Times(began: began, ended: began, calls: [])
    var turn = first
    repeat {
        try await operation(turn)
        turn += 1
        times.add(clock.now)
    } while times.ended < began + .seconds(seconds)
    return times
}

extension Times {
    fileprivate mutating func add(_ now: ContinuousClock.Instant) {
        calls.append(now - ended)
        ended = now
    }
}

/// User and kernel time of this process, in seconds.
private func processorTime() -> Double {
    var usage = rusage()
    #if canImport(Glibc)
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
        getrusage(RUSAGE_SELF, &usage)
    #endif
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
