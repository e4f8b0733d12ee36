import Foundation

/// One way to do one operation: what a caller (a thread or a task) repeats.
enum Caller {
    case blocking(@Sendable () throws -> Void)
    case async(@Sendable () async throws -> Void)
}

/// What one round of a case took.
struct Sample {
    /// Operations in a second, over all callers.
    var perSecond: Double
    /// Time of this process in user and kernel mode for one operation, in microseconds.
    var cpu: Double
}

/// Runs callers at once for a time and counts what they did.
func measure(_ callers: [Caller], for time: Duration) async throws -> Sample {
    let counts = Counts()
    let cpuBefore = processorTime()
    let clock = ContinuousClock()
    let start = clock.now
    let end = start + time
    try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in callers {
            group.addTask {
                switch caller {
                case .async(let operation):
                    var count = 0
                    while clock.now < end {
                        try await operation()
                        count += 1
                    }
                    counts.add(count)
                case .blocking(let operation):
                    // A thread of its own, as a program that blocks has it.
                    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
                        Thread.detachNewThread {
                            done.resume(
                                with: Result {
                                    var count = 0
                                    while clock.now < end {
                                        try operation()
                                        count += 1
                                    }
                                    counts.add(count)
                                })
                        }
                    }
                }
            }
        }
        try await group.waitForAll()
    }
    let seconds = (clock.now - start) / .seconds(1)
    let total = Double(counts.sum)
    return Sample(perSecond: total / seconds, cpu: (processorTime() - cpuBefore) / total * 1e6)
}

private final class Counts: @unchecked Sendable {
    private let lock = NSLock()
    private var total = 0
    func add(_ count: Int) { lock.withLock { total += count } }
    var sum: Int { lock.withLock { total } }
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

func median(_ numbers: [Double]) -> Double {
    let sorted = numbers.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
