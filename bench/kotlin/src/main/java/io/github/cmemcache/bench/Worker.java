package io.github.cmemcache.bench;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One JVM client in a process of its own, as bench/run.py asks for it: {@code Worker CLIENT TAG} reads work from standard input, a
 * line of JSON each, and answers with its times.
 */
public final class Worker {
    /** What the compiler needs to have seen of a client before its first time counts. */
    private static final int WARM_SAMPLES = 20;

    private Worker() {}

    public static void main(String[] arguments) throws Exception {
        String client = arguments[0];
        System.out.println("{\"version\": \"" + Peer.version(client) + "\"}");
        Map<List<Integer>, Bench> benches = new HashMap<>();
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
        for (String line = orders.readLine(); line != null; line = orders.readLine()) {
            System.out.println(obey(client, arguments[1], benches, line));
        }
        // Clients have threads of their own, which would keep the process alive.
        System.exit(0);
    }

    private static String obey(String client, String tag, Map<List<Integer>, Bench> benches, String order) {
        try {
            Work work = Work.parse(order);
            List<Integer> ports = new ArrayList<>();
            Matcher found = Pattern.compile("\\d+").matcher(field(order, "ports", "\\[([^]]*)]"));
            while (found.find()) ports.add(Integer.valueOf(found.group()));
            double seconds = Double.parseDouble(field(order, "seconds", "([0-9.e-]+)"));
            if (!benches.containsKey(ports)) {
                Bench bench = new Bench(client, tag, ports);
                benches.put(ports, bench);
                for (String operation : List.of("get", "set", "get_multi", "set_multi")) {
                    bench.measure(new Work(operation, operation.endsWith("_multi") ? 100 : 1, 100, 1), seconds * WARM_SAMPLES / 4);
                }
            }
            return benches.get(ports).measure(work, seconds);
        } catch (Exception fault) {
            // A client that fails at some work is shown with its words, and goes on with the rest.
            return "{\"error\": \"" + fault.toString().replaceAll("[\\\\\"\\p{Cntrl}]", " ") + "\"}";
        }
    }

    /** A field of an order: numbers and plain words only, for which a library of JSON would be too much. */
    static String field(String json, String name, String pattern) {
        Matcher found = Pattern.compile("\"" + name + "\": " + pattern).matcher(json);
        if (!found.find()) throw new IllegalArgumentException("no " + name + " in " + json);
        return found.group(1);
    }
}
