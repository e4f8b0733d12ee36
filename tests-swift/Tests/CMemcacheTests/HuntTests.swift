import CMemcache
import Foundation
import Testing

private let deadline = Duration.seconds(3)
private let slack = Duration.seconds(5)
private let workers = 8
private let keysEach = 40
private let leastOperations = 50_000
private let paddings = [0, 1, 100, 100, 1_000, 4_000, 17_000, 70_000]

/// A key that one thread or task writes. What is read was written at or after `stored`, as seen before the call, and at or
/// before `written`, as seen after it. Both are the hunt's to guard.
private final class Cell: @unchecked Sendable {
    let key: String
    var stored = 0
    var written = 0

    init(_ key: String) { self.key = key }

    /// Key and number, and padding that follows from the number.
    func value(_ number: Int) -> String {
        let letter = Character(UnicodeScalar(UInt8(97 + number % 26)))
        return "\(key) \(number) " + String(repeating: letter, count: paddings[number % paddings.count])
    }
}

/// One call: a store of a number, or a read of cells with the numbers that they had at least.
private struct Plan: Sendable {
    var cells = [Cell]()
    var stored = [Int]()
    var number: Int?
    var shortDeadline: Duration?
    var usesPassing = false

    var keys: [String] { cells.map(\.key) }
    var deadline: Duration { shortDeadline ?? CMemcacheTests.deadline }
}

/// What a call returned: the values that were read, and the errors of single keys.
private typealias Found = (values: [String: String], errors: [CacheError])

/// Threads and tasks that look for what is not theirs. Threads use strings of bytes, tasks objects.
private final class Hunt: @unchecked Sendable {
    private let lock = NSLock()
    private let strings: StringClient
    private let objects: Client
    private let mortal: String
    private let isBroken: Bool
    private var cells = (0..<workers * keysEach).map { Cell("cell:\($0)") }
    private var operations = 0
    private var tally = [String: Int]()
    private var lastReply = ""
    private var found = [String]()
    private var passingClient: StringClient
    private var troubleIsOver = false

    init(_ servers: [ServerSpec], mortal: String, isBroken: Bool) throws {
        strings = try StringClient(servers: servers, options: huntOptions)
        objects = try Client(servers: servers, options: huntOptions)
        passingClient = try StringClient(servers: servers, options: huntOptions)
        self.mortal = mortal
        self.isBroken = isBroken
    }

    var findings: [String] { lock.withLock { found } }
    var goesOn: Bool { lock.withLock { found.isEmpty && !(troubleIsOver && operations >= leastOperations) } }
    var summary: String {
        lock.withLock {
            let counts = tally.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return "\(operations) operations: \(counts.joined(separator: ", ")), findings: \(found.count)"
        }
    }

    func count(of what: String) -> Int { lock.withLock { tally[what] ?? 0 } }
    func end() { lock.withLock { troubleIsOver = true } }

    /// Closes the client that threads use beside their own, and gives them another.
    func pass(to next: StringClient) {
        let last = lock.withLock {
            defer { passingClient = next }
            return passingClient
        }
        last.shutdown()
    }

    /// Even keys hold strings of bytes, odd ones objects.
    private func plan(_ worker: Int, parity: Int) -> Plan {
        lock.withLock {
            var plan = Plan()
            if Int.random(in: 0..<10) < 3 {
                let cell = cells[worker * keysEach + Int.random(in: 0..<keysEach / 2) * 2 + parity]
                cell.written += 1
                plan.cells = [cell]
                plan.number = cell.written
            } else {
                let count = Int.random(in: 0..<3) == 0 ? 8 : 1
                let picked = Set((0..<count).map { _ in Int.random(in: 0..<cells.count / 2) * 2 + parity })
                plan.cells = picked.map { cells[$0] }
                plan.stored = plan.cells.map(\.stored)
                plan.shortDeadline = Int.random(in: 0..<8) == 0 ? .milliseconds(Int.random(in: 1...4)) : nil
                plan.usesPassing = parity == 0 && Int.random(in: 0..<8) == 0
            }
            operations += plan.cells.count
            return plan
        }
    }

    func operateBlocking(_ worker: Int, _ kept: inout StringClient?) {
        let plan = plan(worker, parity: 0)
        var client = strings
        if plan.usesPassing {
            client = kept ?? lock.withLock { passingClient }
            kept = client
        }
        let start = ContinuousClock.now
        let result = Result { try call(client, plan) }
        judge(plan, result, took: ContinuousClock.now - start, isCancelled: false)
        if case .failure(let error as CacheError) = result, error.code == .closed { kept = nil }
    }

    func operateAsync(_ worker: Int) async {
        let plan = plan(worker, parity: 1)
        let isCancelled = Int.random(in: 0..<8) == 0
        let start = ContinuousClock.now
        let task = Task { try await call(objects, plan) }
        if isCancelled {
            if Bool.random() { await Task.yield() }
            task.cancel()
        }
        judge(plan, await task.result, took: ContinuousClock.now - start, isCancelled: isCancelled)
    }

    private func call(_ client: StringClient, _ plan: Plan) throws -> Found {
        let client = try plan.shortDeadline.map { try client.withTimeout($0) } ?? client
        let cell = plan.cells[0]
        if let number = plan.number {
            try client.set(cell.key, cell.value(number))
            return ([:], [])
        }
        if plan.cells.count == 1 {
            return (try client.get(cell.key).map { [cell.key: passOn($0.text ?? "")] } ?? [:], [])
        }
        let read = try client.getMulti(plan.keys)
        return (read.values.mapValues { $0.text ?? "" }, Array(read.errors.values))
    }

    private func call(_ client: Client, _ plan: Plan) async throws -> Found {
        let client = try plan.shortDeadline.map { try client.withTimeout($0) } ?? client
        let cell = plan.cells[0]
        if let number = plan.number {
            try await client.set(cell.key, cell.value(number))
            return ([:], [])
        }
        if plan.cells.count == 1 {
            return (try await client.get(cell.key, as: String.self).map { [cell.key: $0] } ?? [:], [])
        }
        let read = try await client.getMulti(plan.keys, as: String.self)
        return (read.values, Array(read.errors.values))
    }

    /// In a hunt that is broken on purpose, threads share the memory of their replies.
    private func passOn(_ reply: String) -> String {
        guard isBroken else { return reply }
        lock.withLock { lastReply = reply }
        usleep(10)
        return lock.withLock { lastReply }
    }

    private func judge(_ plan: Plan, _ result: Result<Found, any Error>, took: Duration, isCancelled: Bool) {
        lock.withLock {
            if took > plan.deadline + slack { found.append("late: a call of \(plan.deadline) took \(took)") }
            switch result {
            case .success(let read):
                read.errors.forEach { expect($0, plan, isCancelled) }
                if let number = plan.number {
                    plan.cells[0].stored = number
                    tally["writes", default: 0] += 1
                } else {
                    for (cell, stored) in zip(plan.cells, plan.stored) { look(cell, stored, read.values[cell.key]) }
                }
            case .failure(let error):
                expect(error, plan, isCancelled)
                // The server may carry it out after the writes that follow: those go to another key.
                if plan.number != nil, let at = cells.firstIndex(where: { $0 === plan.cells[0] }) {
                    cells[at] = Cell(plan.cells[0].key + "'")
                }
            }
        }
    }

    private func look(_ cell: Cell, _ stored: Int, _ value: String?) {
        tally[value == nil ? "misses" : "hits", default: 0] += 1
        guard let value else { return }
        let words = value.split(separator: " ", maxSplits: 2)
        let number = words.count > 1 ? Int(words[1]) ?? -1 : -1
        if number < 0 || value != cell.value(number) {
            found.append("foreign: \(cell.key) read \(value.prefix(60)), \(value.utf8.count) bytes")
        } else if number < stored || number > cell.written {
            found.append("stale: \(cell.key) read number \(number), not one of \(stored) to \(cell.written)")
        }
    }

    /// Deadlines pass anywhere; only the server that is killed goes away, and only the client that is closed is closed.
    private func expect(_ error: any Error, _ plan: Plan, _ isCancelled: Bool) {
        var isCaused = error is CancellationError && isCancelled
        var name = "cancelled"
        if let error = error as? CacheError {
            name = "\(error.code)"
            switch error.code {
            case .timeout: isCaused = true
            case .serverDown, .disconnected: isCaused = error.server == mortal
            case .closed: isCaused = plan.usesPassing
            default: break
            }
        }
        tally[name, default: 0] += 1
        if !isCaused { found.append("unexpected: \(error)") }
    }
}

private let huntOptions = options {
    $0.timeout = deadline
    $0.deadRetry = .milliseconds(100)
    $0.failureLimit = 1000
}

@Suite struct HuntTests {
    private func hunt(isBroken: Bool) throws -> Hunt {
        let (steady, mortal) = (try Memcached(), try Memcached())
        let servers = [steady.server, mortal.server]
        let hunt = try Hunt(servers, mortal: mortal.address, isBroken: isBroken)
        let group = DispatchGroup()
        for worker in 0..<workers {
            group.enter()
            Thread.detachNewThread {
                var kept: StringClient?
                while hunt.goesOn { hunt.operateBlocking(worker, &kept) }
                group.leave()
            }
            group.enter()
            Task.detached {
                while hunt.goesOn { await hunt.operateAsync(worker) }
                group.leave()
            }
        }
        for round in 0..<12 {
            usleep(100_000)
            hunt.pass(to: try StringClient(servers: servers, options: huntOptions))
            if round % 3 == 0 { mortal.stop() }
            if round % 3 == 1 { try mortal.start() }
        }
        hunt.end()
        #expect(group.wait(timeout: .now() + 240) == .success, "a thread or task hangs")
        return hunt
    }

    @Test("50 000 operations among cancels, closes and restarts read nothing foreign or stale", .timeLimit(.minutes(6)))
    func nothingForeign() throws {
        var hunt: Hunt?
        let took = try time { hunt = try self.hunt(isBroken: false) }
        let done = try #require(hunt)
        print("hunt: \(done.summary) in \(took)")
        #expect(done.findings.isEmpty, "\(done.findings.prefix(3))")
        for what in ["hits", "writes", "cancelled", "timeout", "serverDown", "closed"] {
            #expect(done.count(of: what) > 0, "no \(what): \(done.summary)")
        }
    }

    @Test("the hunt notices a reply that threads share", .timeLimit(.minutes(6)))
    func noticesSharedReplies() throws {
        let hunt = try hunt(isBroken: true)
        #expect(hunt.findings.contains { $0.hasPrefix("foreign") }, "\(hunt.summary)")
    }
}
