import CMemcacheFFI

extension CacheError {
    /// What a generated call threw, as the public type.
    init(generated error: any Error) {
        if let error = error as? CMemcacheFFI.CacheError {
            self.init(generated: error)
        } else {
            // A panic of the core, or a library that does not fit these bindings.
            self.init(.internalFault, "\(error)")
        }
    }

    init(generated error: CMemcacheFFI.CacheError) {
        switch error {
        case .KeyTooLong(let detail): self.init(.keyTooLong, detail)
        case .KeyCharacter(let detail): self.init(.keyCharacter, detail)
        case .InvalidArgument(let detail): self.init(.invalidArgument, detail)
        case .ValueTooLarge(let detail, let server): self.init(.valueTooLarge, detail, server: server)
        case .NoServers(let detail): self.init(.noServers, detail)
        case .Closed(let detail): self.init(.closed, detail)
        case .ServerDown(let detail, let server, let phase):
            self.init(.serverDown, detail, server: server, phase: phase.map(Phase.init))
        case .Timeout(let detail, let server, let phase, let unknown):
            self.init(.timeout, detail, server: server, phase: phase.map(Phase.init), outcomeUnknown: unknown)
        case .Disconnected(let detail, let server, let phase, let unknown):
            self.init(.disconnected, detail, server: server, phase: phase.map(Phase.init), outcomeUnknown: unknown)
        case .Protocol(let detail, let server, let unknown):
            self.init(.protocol, detail, server: server, outcomeUnknown: unknown)
        case .ServerError(let detail, let server): self.init(.serverError, detail, server: server)
        case .Auth(let detail, let server): self.init(.auth, detail, server: server)
        case .Unsupported(let detail, let server): self.init(.unsupported, detail, server: server)
        case .NotNumeric(let detail, let server): self.init(.notNumeric, detail, server: server)
        case .Tls(let detail, let server, let phase, let unknown):
            self.init(.tls, detail, server: server, phase: phase.map(Phase.init), outcomeUnknown: unknown)
        }
    }

    /// Runs generated code and translates what it throws.
    static func translating<R>(_ body: () throws -> R) throws(CacheError) -> R {
        do {
            return try body()
        } catch {
            throw CacheError(generated: error)
        }
    }
}
