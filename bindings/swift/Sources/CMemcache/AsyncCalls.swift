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
                if call.await(continuation), !threads.submit(call) {
                    // All threads are busy: should none come free in time, the deadline ends the call.
                    DispatchQueue.global().asyncAfter(deadline: call.dispatchDeadline) { call.expire() }
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

    private let timeout: Duration
    private let start = ContinuousClock.now
    private let work: @Sendable (UInt32) throws(CacheError) -> R
    // The lock guards both fields below.
    private let lock = NSLock()
    private var state = State.waiting
    private var continuation: CheckedContinuation<R, any Error>?

    init(timeout: Duration, _ work: @escaping @Sendable (UInt32) throws(CacheError) -> R) {
        self.timeout = timeout
        self.work = work
    }

    var dispatchDeadline: DispatchTime {
        .now() + .milliseconds(Int(timeout.wholeMilliseconds))
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
        let waited = ContinuousClock.now - start
        guard waited < timeout else { return finish(.failure(timedOut)) }
        // Below a millisecond the wait does not count: the client's own timeout serves.
        let rest = waited < .milliseconds(1) ? 0 : (timeout - waited).wholeMilliseconds
        finish(Result { () throws(CacheError) in try work(rest) }.mapError { $0 })
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
    func run()
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

    init(limit: Int) {
        self.limit = limit
    }

    /// Queues a call; false if no thread is free for it now.
    func submit(_ call: any RunnableCall) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        queue.append(call)
        if idle > queue.count - next - 1 {
            condition.signal()
            return true
        }
        guard running < limit else { return false }
        running += 1
        // The thread keeps this object alive, never the client.
        Thread.detachNewThread { self.work() }
        return true
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
