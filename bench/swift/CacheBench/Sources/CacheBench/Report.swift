import Foundation

/// The median of a case's rounds.
struct Row: Codable {
    var operation: String
    var way: String
    var callers: Int
    var perSecond: Double
    var cpu: Double
}

/// What was measured, as JSON and as a table.
struct Report: Codable {
    var rows: [Row]
    var memcached: String
    var rounds: Int
    var seconds: Double
    /// The machine's load average at the end: what this and all other programs asked of it.
    var load: Double

    func write(to folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try (encoder.encode(self) + Data("\n".utf8)).write(to: folder.appendingPathComponent("swift.json"))
        try Data(markdown.utf8).write(to: folder.appendingPathComponent("swift.md"))
        print(markdown)
    }

    private var markdown: String {
        let cores = ProcessInfo.processInfo.processorCount
        var text = """
            # Swift: measured

            One memcached \(memcached) on loopback, \(cores) processors for it and the client, values of 100 bytes; medians of
            \(rounds) rounds of \(seconds) s, the cases in turn within each round; load average at the end \(String(format: "%.1f", load)).
            Written by `make bench-swift`. Compare numbers of one table only: they depend on the machine, and on what else it does.

            The raw socket loop is the limit and no client: each caller has a connection of its own, writes a request that was
            made beforehand, and reads until the reply has the length that is known. The clients share at most 4 connections.
            swift-memcache is not among the rows: it comes as source from its repository only, with dependencies of its own,
            and Swift's package manager could not reach either from the machine that measured this.


            """
        var last = ""
        for row in rows {
            let table = "\(row.operation), \(row.callers == 1 ? "1 caller" : "\(row.callers) callers")"
            if table != last {
                text += (last.isEmpty ? "" : "\n") + "## \(table)\n\n"
                text += "| | calls per second | us per call and caller | client CPU, us per call |\n|---|---:|---:|---:|\n"
                last = table
            }
            let time = 1e6 / row.perSecond * Double(row.callers)
            text += String(format: "| %@ | %.0f | %.1f | %.1f |\n", row.way, row.perSecond, time, row.cpu)
        }
        return text
    }
}
