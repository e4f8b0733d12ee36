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

/// Options with some of them changed.
func options(_ change: (inout ClientOptions) -> Void) -> ClientOptions {
    var options = ClientOptions()
    change(&options)
    return options
}

/// Options of clients whose calls are expected to end well: a busy machine can stand still for a second.
let patient = options {
    $0.timeout = .seconds(20)
    $0.connectTimeout = .seconds(10)
}

/// How long `body` takes.
func time(_ body: () throws -> Void) rethrows -> Duration {
    try ContinuousClock().measure(body)
}
