package io.github.cmemcache.bench;

import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The three operations that programs spend their time in. A wrong answer ends the run: speed alone proves nothing. */
@State(Scope.Benchmark)
public class Clients {
    private static final int KEYS = 1000;
    private static final int BATCH = 100;

    @Param({"cmemcache", "spymemcached", "xmemcached", "folsom"})
    public String client;

    @Param("11211")
    public int port;

    private final String[] keys = IntStream.range(0, KEYS).mapToObj(number -> "key-" + number).toArray(String[]::new);
    private final List<List<String>> batches =
        IntStream.range(0, KEYS / BATCH).mapToObj(number -> List.of(keys).subList(number * BATCH, (number + 1) * BATCH)).toList();
    private final byte[] value = "v".repeat(100).getBytes();
    private Peer peer;

    @Setup
    public void open() throws Exception {
        peer = Peer.open(client, "127.0.0.1", port);
        for (String key : keys) peer.set(key, value);
    }

    @TearDown
    public void close() throws Exception {
        peer.close();
    }

    @Benchmark
    public Object get() throws Exception {
        Object item = peer.get(keys[ThreadLocalRandom.current().nextInt(KEYS)]);
        if (item == null) throw new IllegalStateException(client + " lost a value");
        return item;
    }

    @Benchmark
    public Object set() throws Exception {
        return peer.set(keys[ThreadLocalRandom.current().nextInt(KEYS)], value);
    }

    @Benchmark
    public int getMulti100() throws Exception {
        int hits = peer.getMulti(batches.get(ThreadLocalRandom.current().nextInt(batches.size())));
        if (hits != BATCH) throw new IllegalStateException(client + " found " + hits + " of " + BATCH);
        return hits;
    }
}
