import Dispatch
import Foundation

/// Runs the blocking calls of a client for its `async` ones, on a bounded number of threads of its own.
///
/// Swift's own threads are never blocked. The deadline of a call begins when it is handed in: time spent waiting for a
/// thread counts. Threads are made when they are needed and end when they were idle for a while or the client is gone.
final class AsyncCalls: Sendable {
    private let threads: CallThreads

    init(limit: Int) {
        threads = CallThreads(limit: limit)
    }

    deinit {
        threads.close()
    }

    /// Runs `work` with its timeout in milliseconds, 0 for the client's own.
    ///
    /// - Throws: what `work` throws; `CancellationError` as soon as the task is cancelled. Then `work` never begins if it
    ///   had not; if it had, it ends by its deadline and its result is dropped.
    func run<R: Sendable>(
        timeout: Duration, _ work: @escaping @Sendable (UInt32) throws(CacheError) -> R
    ) async throws -> R {
        try Task.checkCancellation()
        let call = PendingCall(timeout: timeout, work)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                if call.await(continuation) {
                    threads.submit(call)
                }
            }
        } onCancel: {
            call.cancel()
        }
    }
}

/// One `async` call: waiting for a thread, running, or over. Whoever comes first (result, cancellation, deadline) resumes
/// the task; the others find the call over.
private final class PendingCall<R: Sendable>: RunnableCall, @unchecked Sendable {
    private enum State {
        case waiting, running, over
    }

    let deadline: ContinuousClock.Instant
    private let timeout: Duration
    private let work: @Sendable (UInt32) throws(CacheError) -> R
    // The lock guards both fields below.
    private let lock = NSLock()
    private var state = State.waiting
    private var continuation: CheckedContinuation<R, any Error>?

    init(timeout: Duration, _ work: @escaping @Sendable (UInt32) throws(CacheError) -> R) {
        self.timeout = timeout
        self.work = work
        deadline = .now + timeout
    }

    /// Remembers whom to resume; false if the call was cancelled already.
    func await(_ continuation: CheckedContinuation<R, any Error>) -> Bool {
        let isWaiting = lock.withLock {
            self.continuation = state == .waiting ? continuation : nil
            return state == .waiting
        }
        if !isWaiting {
            continuation.resume(throwing: CancellationError())
        }
        return isWaiting
    }

    func run() {
        let mine = lock.withLock {
            guard state == .waiting else { return false }
            state = .running
            return true
        }
        guard mine else { return }
        let rest = deadline - .now
        guard rest > .zero else { return finish(.failure(timedOut)) }
        // Below a millisecond the wait does not count: the client's own timeout serves.
        let milliseconds = timeout - rest < .milliseconds(1) ? 0 : rest.wholeMilliseconds
        finish(Result { () throws(CacheError) in try work(milliseconds) }.mapError { $0 })
    }

    func cancel() {
        finish(.failure(CancellationError()))
    }

    func expire() {
        if lock.withLock({ state == .waiting }) {
            finish(.failure(timedOut))
        }
    }

    private var timedOut: CacheError {
        CacheError(
            .timeout, "timed out waiting for a thread after \(timeout.wholeMilliseconds) ms", phase: .queue)
    }

    private func finish(_ result: Result<R, any Error>) {
        let continuation = lock.withLock {
            defer { self.continuation = nil }
            state = .over
            return self.continuation
        }
        continuation?.resume(with: result)
    }
}

private protocol RunnableCall: AnyObject, Sendable {
    var deadline: ContinuousClock.Instant { get }
    func run()
    /// Ends the call with a timeout, if it is still waiting for a thread.
    func expire()
}

/// A queue of calls and the threads that work on it.
private final class CallThreads: @unchecked Sendable {
    /// How long an idle thread waits for work before it ends, in seconds.
    private static let idleTime = 5.0

    private let limit: Int
    // The condition's lock guards everything below.
    private let condition = NSCondition()
    private var queue = [(any RunnableCall)?]()
    private var next = 0
    private var idle = 0
    private var running = 0
    private var isClosed = false
    /// When `sweep` runs next; `nil` when it does not.
    private var sweepTime: ContinuousClock.Instant?

    init(limit: Int) {
        self.limit = limit
    }

    /// Queues a call for the next thread that is free.
    func submit(_ call: any RunnableCall) {
        condition.lock()
        defer { condition.unlock() }
        queue.append(call)
        if idle > queue.count - next - 1 {
            condition.signal()
        } else if running < limit {
            running += 1
            // The thread keeps this object alive, never the client.
            Thread.detachNewThread { self.work() }
        } else {
            planSweep(call.deadline)
        }
    }

    /// All threads are busy: should none come free in time, its deadline ends the call.
    private func planSweep(_ time: ContinuousClock.Instant) {
        if let sweepTime, sweepTime <= time { return }
        sweepTime = time
        let wait = Swift.max(.zero, time - .now).wholeMilliseconds
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(wait))) { [weak self] in
            self?.sweep(time)
        }
    }

    /// Ends the calls whose deadlines have passed while they waited. Proportional to the queue, and rare.
    private func sweep(_ time: ContinuousClock.Instant) {
        condition.lock()
        // An earlier sweep was planned since: it has done this one's work.
        guard sweepTime == time else { return condition.unlock() }
        sweepTime = nil
        let now = ContinuousClock.now
        let waiting = queue[next...].compactMap { $0 }
        if let time = waiting.map(\.deadline).filter({ $0 > now }).min() {
            planSweep(time)
        }
        condition.unlock()
        waiting.filter { $0.deadline <= now }.forEach { $0.expire() }
    }

    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    private func work() {
        while let call = take() {
            call.run()
        }
    }

    /// The next call; `nil` when this thread shall end.
    private func take() -> (any RunnableCall)? {
        condition.lock()
        defer { condition.unlock() }
        let patience = Date(timeIntervalSinceNow: Self.idleTime)
        while next == queue.count {
            guard !isClosed else { return end() }
            idle += 1
            let woken = condition.wait(until: patience)
            idle -= 1
            if !woken && next == queue.count {
                return end()
            }
        }
        let call = queue[next]
        queue[next] = nil
        next += 1
        // Drop what was taken once it is the larger part: constant cost a call.
        if next > 32 && next * 2 > queue.count {
            queue.removeFirst(next)
            next = 0
        }
        return call
    }

    private func end() -> (any RunnableCall)? {
        running -= 1
        return nil
    }
}
