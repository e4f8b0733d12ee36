import CMemcache
import Foundation
import Testing

@Suite struct ConcurrencyTests {
    @Test("64 tasks share a client, and each reads what is its own")
    func sixtyFourTasks() async throws {
        let memcached = try Memcached()
        let client = try Client(servers: [memcached.server], options: patient)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<64 {
                group.addTask {
                    for round in 0..<100 {
                        let value = "\(task):\(round):" + String(repeating: "x", count: round * 11)
                        try await client.set("task:\(task)", value, ttl: .seconds(60))
                        let read = try await client.get("task:\(task)", as: String.self)
                        try #require(read == value)
                        try await client.set("n:\(task)", round)
                        let both = try await client.getMulti(["n:\(task)", "missing:\(task)"], as: Int.self)
                        try #require(both.values == ["n:\(task)": round] && both.errors.isEmpty)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(client.metrics()[0].inFlight == 0)
    }

    @Test("64 threads share a client through blocking calls")
    func sixtyFourThreads() throws {
        let memcached = try Memcached()
        let client = try StringClient(servers: [memcached.server], options: patient)
        try inThreads(64) { thread in
            for round in 0..<100 {
                try client.set("thread:\(thread)", "\(round)")
                try #require(try client.get("thread:\(thread)")?.text == "\(round)")
            }
        }
    }

    @Test("concurrent counting loses nothing")
    func counting() async throws {
        let memcached = try Memcached()
        let client = try Client(servers: [memcached.server], options: patient)
        try await client.set("n", 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<64 {
                group.addTask { for _ in 0..<50 { _ = try await client.incr("n") } }
            }
            try await group.waitForAll()
        }
        #expect(try await client.get("n") == 64 * 50)
    }

    @Test("a server that is killed and started again is used again by the same client")
    func serverRestart() async throws {
        let memcached = try Memcached()
        let client = try Client(servers: [memcached.server], options: options { $0.deadRetry = .milliseconds(100) })
        try await client.set("k", "before")
        memcached.stop()
        for _ in 0..<5 {
            let error = try #require(try await failure { _ = try await client.get("k", as: String.self) } as? CacheError)
            #expect([.serverDown, .disconnected].contains(error.code), "\(error)")
            #expect(error.server == memcached.address)
        }
        try memcached.start()
        let clock = ContinuousClock()
        let patience = clock.now + .seconds(30)
        while (try? await client.set("k", "after")) != .stored {
            try #require(clock.now < patience, "the server is back and still not used")
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try await client.get("k") == "after")
        #expect(client.metrics()[0].state == .up)
    }

    @Test("a dead server costs its own keys only, and says so key by key")
    func deadServerInABatch() throws {
        let living = try Memcached()
        let dead = "127.0.0.1:\(try freePort())"
        let client = try StringClient(servers: [living.server, ServerSpec(dead)], options: patient)
        let keys = (0..<50).map { "key:\($0)" }
        let stored = try client.setMulti(keys.map { StoreEntry(key: $0, value: "v") })
        let found = try client.getMulti(keys)
        #expect(!stored.values.isEmpty && !stored.errors.isEmpty && stored.values.count + stored.errors.count == 50)
        #expect(Set(found.values.keys) == Set(stored.values.keys) && Set(found.errors.keys) == Set(stored.errors.keys))
        #expect(found.errors.values.allSatisfy { $0.code == .serverDown && $0.server == dead })
    }

    // One caller sends to a server that never answers; the deadline is far off.
    private func hangingClient(_ server: FakeServer, threads: Int = 16, timeout: Duration = .seconds(20)) throws -> StringClient {
        try StringClient(
            servers: [server.server],
            options: options {
                $0.protocol = .meta
                $0.timeout = timeout
                $0.asyncThreads = threads
            })
    }

    @Test("a cancelled task gets CancellationError at once, though its call hangs")
    func cancellationIsPrompt() async throws {
        let server = try FakeServer()
        let client = try hangingClient(server)
        let task = Task { try await client.get("k") }
        #expect(try await comesTrue { client.metrics()[0].inFlight == 1 })
        let clock = ContinuousClock()
        let start = clock.now
        task.cancel()
        let error = try await failure { _ = try await task.value }
        #expect(error is CancellationError)
        #expect(clock.now - start < .seconds(5), "\(clock.now - start)")
    }

    @Test("a task cancelled before its call begins sends nothing")
    func cancelledBeforeTheStart() async throws {
        let server = try FakeServer()
        let client = try hangingClient(server)
        let task = Task {
            try? await Task.sleep(for: .seconds(60))
            _ = try await client.set("k", "v")
        }
        task.cancel()
        let error = try await failure { try await task.value }
        #expect(error is CancellationError)
        #expect(!server.wasContacted)
    }

    @Test("a call that waits for a thread and is cancelled is never sent")
    func cancelledInTheQueue() async throws {
        let memcached = try Memcached()
        let hanging = try FakeServer()
        let client = try hangingClient(hanging, threads: 1, timeout: .seconds(5))
        let first = Task { try await client.get("k") }
        #expect(try await comesTrue { client.metrics()[0].inFlight == 1 })
        // The only thread hangs: this one queues. Then the client's server becomes one that would take it.
        let second = Task { try await client.set("late", "v") }
        try await Task.sleep(for: .milliseconds(50))
        try client.setServers([memcached.server])
        second.cancel()
        #expect(try await failure { _ = try await second.value } is CancellationError)
        #expect((try await failure { _ = try await first.value } as? CacheError)?.code == .timeout)
        #expect(try await client.get("late") == nil)
        #expect(client.metrics()[0].operations == 1)
    }

    @Test("the deadline of an async call holds though all threads are busy")
    func deadlineInTheQueue() async throws {
        let server = try FakeServer()
        let slow = try hangingClient(server, threads: 1)
        let quick = try slow.withTimeout(.milliseconds(200))
        let first = Task { try await slow.get("k") }
        #expect(try await comesTrue { slow.metrics()[0].inFlight == 1 })
        let clock = ContinuousClock()
        let start = clock.now
        let error = try await failure { _ = try await quick.get("k") } as? CacheError
        #expect(error?.code == .timeout && error?.phase == .queue && error?.outcomeUnknown == false)
        #expect((Duration.milliseconds(190)...Duration.seconds(5)).contains(clock.now - start))
        first.cancel()
        _ = try await failure { _ = try await first.value }
    }

    @Test("hanging calls never block the threads of Swift's concurrency")
    func cooperativePoolStaysFree() async throws {
        let server = try FakeServer()
        let client = try hangingClient(server)
        let tasks = (0..<64).map { _ in Task { try await client.get("k") } }
        try await Task.sleep(for: .milliseconds(100))
        let clock = ContinuousClock()
        let start = clock.now
        let sums = await withTaskGroup(of: Int.self) { group in
            for part in 0..<100 { group.addTask { part } }
            return await group.reduce(0, +)
        }
        #expect(sums == 4950)
        #expect(clock.now - start < .seconds(5), "\(clock.now - start)")
        tasks.forEach { $0.cancel() }
        for task in tasks {
            #expect(try await failure { _ = try await task.value } is CancellationError)
        }
    }

    @Test("after a cancelled call the client's next calls are right")
    func cancellationLeavesTheClientRight() async throws {
        let memcached = try Memcached()
        let client = try StringClient(servers: [memcached.server], options: patient)
        for key in 0..<100 { try await client.set("key:\(key)", "value:\(key)") }
        for round in 0..<300 {
            let task = Task { try await client.get("key:\(round % 100)") }
            if round % 3 != 0 { await Task.yield() }
            task.cancel()
            let other = (round * 7) % 100
            #expect(try await client.get("key:\(other)")?.text == "value:\(other)")
            if let item = try? await task.value {
                #expect(item.text == "value:\(round % 100)")
            }
        }
    }
}

/// Runs `body` in so many threads at once and throws what one of them threw.
func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let faults = Faults()
    let group = DispatchGroup()
    for thread in 0..<count {
        group.enter()
        Thread.detachNewThread {
            do { try body(thread) } catch { faults.add(error) }
            group.leave()
        }
    }
    group.wait()
    if let error = faults.first { throw error }
}

private final class Faults: @unchecked Sendable {
    private let lock = NSLock()
    private var errors = [any Error]()
    func add(_ error: any Error) { lock.withLock { errors.append(error) } }
    var first: (any Error)? { lock.withLock { errors.first } }
}
