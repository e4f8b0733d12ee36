extension Duration {
    /// As a count of units of which `units` make a second; a part of one counts whole, so that a short time never becomes
    /// none. Times beyond 300 years are cut off there.
    func count(perSecond units: Int64) -> Int64 {
        let bound = Duration.seconds(10_000_000_000)
        let (seconds, attoseconds) = Swift.min(Swift.max(self, .zero - bound), bound).components
        let unit = 1_000_000_000_000_000_000 / units
        let parts = attoseconds > 0 ? (attoseconds + unit - 1) / unit : attoseconds / unit
        return seconds * units + parts
    }

    /// Milliseconds; what is negative or too large becomes a number that the core refuses.
    var wholeMilliseconds: UInt32 {
        UInt32(clamping: count(perSecond: 1000))
    }
}

/// The longest lifetime in seconds: the core reads larger numbers as points in time.
private let longestLifetime: Int64 = 999_999_999

/// A time to live as the core's exptime: `nil` never expires, zero or less expires at once, parts of a second count whole.
func exptime(_ ttl: Duration?) throws(CacheError) -> Int64 {
    guard let ttl else { return 0 }
    let seconds = ttl.count(perSecond: 1)
    guard seconds <= longestLifetime else {
        throw CacheError(.invalidArgument, "ttl of \(ttl) is over the limit of \(longestLifetime) seconds")
    }
    return seconds > 0 ? seconds : -1
}
