package io.github.cmemcache.bench;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** A client that does work against some servers, with keys that are nobody else's, on values that were checked beforehand. */
final class Bench {
    private static final OperatingSystemMXBean SYSTEM = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final String client;
    private final String tag;
    private final List<Integer> ports;
    /** One for all threads, or one for each where that is how the client is used. */
    private final List<Peer> peers = new ArrayList<>();
    private final Map<List<Integer>, Pairs> stored = new HashMap<>();

    Bench(String client, String tag, List<Integer> ports) {
        this.client = client;
        this.tag = tag;
        this.ports = ports;
    }

    /** Keys and values that belong together. */
    record Pairs(List<String> keys, List<byte[]> values, Map<String, byte[]> entries) {}

    /** The times of one thread's calls, and when it began and ended, in nanoseconds. */
    private record Times(long began, long ended, long[] calls) {}

    /** Does the work for about so long. Times are microseconds per call, throughput is calls per second. */
    String measure(Work work, double seconds) throws Exception {
        while (peers.size() < (client.equals("wire") ? work.threads() : 1)) peers.add(Peer.open(client, ports));
        Pairs pairs = store(work.isMulti() ? work.batch() : work.size() <= 10_000 ? 100 : 8, work.size());
        CountDownLatch warm = new CountDownLatch(work.threads());
        CountDownLatch go = new CountDownLatch(1);
        ExecutorService threads = Executors.newFixedThreadPool(work.threads());
        try {
            List<Future<Times>> running = new ArrayList<>();
            for (int index = 0; index < work.threads(); index++) {
                Peer peer = peers.get(index % peers.size());
                int first = index;
                running.add(threads.submit(() -> takeTimes(peer, work, pairs, seconds, first, warm, go)));
            }
            warm.await();
            long allocated = allocated();
            long cpu = SYSTEM.getProcessCpuTime();
            go.countDown();
            List<Times> times = new ArrayList<>();
            for (Future<Times> each : running) times.add(each.get());
            cpu = SYSTEM.getProcessCpuTime() - cpu;
            return summarize(times, cpu, allocated() - allocated);
        } finally {
            threads.shutdownNow();
        }
    }

    /** Bytes that all threads that live have allocated on the heap, a client's own threads among them. */
    private static long allocated() {
        return Arrays.stream(THREADS.getThreadAllocatedBytes(THREADS.getAllThreadIds())).filter(bytes -> bytes > 0).sum();
    }

    private Pairs store(int count, int size) throws Exception {
        Pairs known = stored.get(List.of(count, size));
        if (known != null) return known;
        Map<String, byte[]> entries = new LinkedHashMap<>();
        for (int number = 0; number < count; number++) {
            byte[] value = new byte[size];
            byte[] digits = Integer.toString(number).getBytes();
            for (int place = 0; place < size; place++) value[place] = digits[place % digits.length];
            entries.put(String.format(Locale.ROOT, "%s%c%04d", tag, 'a' + Integer.toString(size).length(), number), value);
        }
        Pairs pairs = new Pairs(List.copyOf(entries.keySet()), List.copyOf(entries.values()), entries);
        Peer peer = peers.get(0);
        peer.setMulti(pairs);
        for (int place = 0; place < count; place++) {
            byte[] value = peer.get(pairs, place);
            if (!client.equals("wire") && !Arrays.equals(value, pairs.values.get(place))) {
                throw new IllegalStateException("get does not return what was stored");
            }
        }
        if (peer.getMulti(pairs) != count) throw new IllegalStateException("getMulti does not find what was stored");
        stored.put(List.of(count, size), pairs);
        return pairs;
    }

    /** Warms up, waits for the others, then calls until the time is over. */
    private static Times takeTimes(
            Peer peer, Work work, Pairs pairs, double seconds, int first, CountDownLatch warm, CountDownLatch go) throws Exception {
        try {
            repeat(peer, work, pairs, seconds / 5, first);
        } finally {
            // Whoever failed is counted too, or the others would wait for ever.
            warm.countDown();
        }
        go.await();
        return repeat(peer, work, pairs, seconds, first);
    }

    private static Times repeat(Peer peer, Work work, Pairs pairs, double seconds, int first) throws Exception {
        long[] calls = new long[1 << 12];
        int count = 0;
        long began = System.nanoTime();
        long before = began;
        for (int place = first; ; place++) {
            call(peer, work, pairs, place % pairs.keys.size());
            long now = System.nanoTime();
            if (count == calls.length) calls = Arrays.copyOf(calls, count * 2);
            calls[count++] = now - before;
            before = now;
            if (now - began >= seconds * 1e9) return new Times(began, now, Arrays.copyOf(calls, count));
        }
    }

    private static void call(Peer peer, Work work, Pairs pairs, int place) throws Exception {
        switch (work.operation()) {
            case "get" -> {
                if (peer.get(pairs, place) == null) throw new IllegalStateException("a miss");
            }
            case "set" -> peer.set(pairs, place);
            case "get_multi" -> {
                int hits = peer.getMulti(pairs);
                if (hits != pairs.keys.size()) throw new IllegalStateException("found " + hits + " of " + pairs.keys.size());
            }
            case "set_multi" -> peer.setMulti(pairs);
            default -> throw new IllegalArgumentException(work.operation());
        }
    }

    /** What was allocated includes what {@link #repeat} notes down, 8 bytes a call and a few times that while its array grows. */
    private static String summarize(List<Times> times, long cpu, long allocated) {
        long began = times.stream().mapToLong(Times::began).min().orElseThrow();
        long ended = times.stream().mapToLong(Times::ended).max().orElseThrow();
        long[] calls = times.stream().flatMapToLong(each -> Arrays.stream(each.calls)).sorted().toArray();
        double wall = ended - began;
        int count = calls.length;
        return String.format(
            Locale.ROOT, "{\"calls\": %d, \"wall\": %f, \"cpu\": %f, \"p50\": %f, \"p99\": %f, \"throughput\": %f, \"allocated\": %f}", count,
            wall / count * times.size() / 1e3, cpu / 1e3 / count, calls[count / 2] / 1e3,
            calls[(int) Math.min(count - 1, count * 99L / 100)] / 1e3, count / wall * 1e9,
            (double) allocated / count);
    }
}
