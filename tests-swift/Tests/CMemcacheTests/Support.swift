import CMemcache
import Foundation
import Testing

/// Runs `body` and returns the error that it has to throw.
func failure(of body: () throws(CacheError) -> Void) throws -> CacheError {
    do {
        try body()
    } catch {
        return error
    }
    throw Unfit("no error was thrown")
}

/// Runs `body` and returns the error that it has to throw.
func failure(of body: () async throws -> Void) async throws -> any Error {
    do {
        try await body()
    } catch {
        return error
    }
    throw Unfit("no error was thrown")
}

/// Options of clients whose calls are expected to end well: a busy machine can stand still for a second.
let patient = {
    var options = ClientOptions()
    options.timeout = .seconds(20)
    options.connectTimeout = .seconds(10)
    return options
}()

/// Patient options with some of them changed.
func options(_ change: (inout ClientOptions) -> Void) -> ClientOptions {
    var options = patient
    change(&options)
    return options
}

/// Waits up to 30 s until something is so; whether it is.
func comesTrue(_ isSo: () throws -> Bool) async throws -> Bool {
    let patience = ContinuousClock.now + .seconds(30)
    while try !isSo() {
        if ContinuousClock.now > patience { return false }
        try await Task.sleep(for: .milliseconds(5))
    }
    return true
}

/// How long `body` takes.
func time(_ body: () throws -> Void) rethrows -> Duration {
    try ContinuousClock().measure(body)
}
