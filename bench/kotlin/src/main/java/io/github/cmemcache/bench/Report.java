package io.github.cmemcache.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;

/** The results as a table for people and as JSON for programs. */
final class Report {
    private Report() {}

    /** One measurement: operations per second of all threads, their error at 99.9 %, and bytes allocated per operation. */
    private record Line(String operation, int threads, String client, double perSecond, double error, double bytes) {
        static Line of(RunResult result) {
            Result<?> score = result.getPrimaryResult();
            return new Line(
                score.getLabel(),
                result.getParams().getThreads(),
                result.getParams().getParam("client"),
                score.getScore(),
                score.getScoreError(),
                allocation(result));
        }

        private static double allocation(RunResult result) {
            return result.getSecondaryResults().entrySet().stream()
                .filter(entry -> entry.getKey().endsWith("gc.alloc.rate.norm"))
                .mapToDouble(entry -> entry.getValue().getScore())
                .findFirst()
                .orElseThrow();
        }
    }

    static String markdown(List<RunResult> results, String machine) {
        List<Line> lines = results.stream().map(Line::of).toList();
        List<String> clients = lines.stream().map(Line::client).distinct().toList();
        Map<String, List<Line>> rows = lines.stream().collect(
            Collectors.groupingBy(line -> line.operation + " | " + line.threads, LinkedHashMap::new, Collectors.toList()));
        StringBuilder text = new StringBuilder("# JVM clients side by side\n\nMeasured by JMH in one run, written by `make bench-kotlin`: ")
            .append(machine)
            .append(". Each cell: thousands of operations per second over all threads, and bytes allocated per operation.\n\n")
            .append("| operation | threads | ").append(String.join(" | ", clients)).append(" | ahead of the next by |\n")
            .append("|---|---|").append("---|".repeat(clients.size() + 1)).append('\n');
        rows.forEach((row, cells) -> {
            text.append("| ").append(row).append(" | ");
            for (String client : clients) text.append(cell(find(cells, client))).append(" | ");
            text.append(lead(cells)).append(" |\n");
        });
        return text.toString();
    }

    private static String cell(Line line) {
        return String.format(Locale.ROOT, "%.1f, %,.0f B", line.perSecond / 1000, line.bytes);
    }

    private static String lead(List<Line> cells) {
        double ours = find(cells, "cmemcache").perSecond;
        double best = cells.stream().filter(line -> !line.client.equals("cmemcache")).mapToDouble(Line::perSecond).max().orElseThrow();
        return String.format(Locale.ROOT, "%.2fx", ours / best);
    }

    private static Line find(List<Line> cells, String client) {
        return cells.stream().filter(line -> line.client.equals(client)).findFirst().orElseThrow();
    }

    static String json(List<RunResult> results, String machine) {
        String lines = results.stream().map(Line::of).map(line -> String.format(
            Locale.ROOT,
            "    {\"operation\": \"%s\", \"threads\": %d, \"client\": \"%s\", \"per_second\": %.0f, \"error\": %s, \"bytes_per_operation\": %.0f}",
            line.operation, line.threads, line.client, line.perSecond,
            Double.isNaN(line.error) ? "null" : String.format(Locale.ROOT, "%.0f", line.error), line.bytes))
            .collect(Collectors.joining(",\n"));
        return "{\n  \"machine\": \"" + machine + "\",\n  \"results\": [\n" + lines + "\n  ]\n}\n";
    }
}
