package io.github.cmemcache.bench;

import com.spotify.folsom.MemcacheClient;
import com.spotify.folsom.MemcacheClientBuilder;
import com.spotify.folsom.MemcacheStatus;
import io.github.cmemcache.StringClient;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.rubyeye.xmemcached.XMemcachedClientBuilder;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.FailureMode;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.transcoders.SerializingTranscoder;

/**
 * What is measured of a client, each used as its manual says for a program with many threads: one client, shared. No delay is the
 * default of all; every reply is awaited, and nothing is compressed. Ours runs with its defaults.
 */
interface Peer {
    /** Longer than any call takes: a client that waits less would fail at the largest batches. */
    int TIMEOUT_MS = 20_000;

    byte[] get(Bench.Pairs pairs, int place) throws Exception;

    void set(Bench.Pairs pairs, int place) throws Exception;

    /** Returns the number of hits. */
    int getMulti(Bench.Pairs pairs) throws Exception;

    /** Stores all values, one by one where the client knows no other way. */
    default void setMulti(Bench.Pairs pairs) throws Exception {
        for (int place = 0; place < pairs.keys().size(); place++) set(pairs, place);
    }

    static Peer open(String name, List<Integer> ports) throws Exception {
        InetSocketAddress address = new InetSocketAddress("127.0.0.1", ports.get(0));
        return switch (name) {
            case "cmemcache" -> new Cmemcache("127.0.0.1:" + ports.get(0));
            case "spymemcached" -> new Spymemcached(address);
            case "xmemcached" -> new Xmemcached(address);
            case "folsom" -> new Folsom(address);
            case "wire" -> new Wire(ports.get(0));
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** The version that the name of its jar tells; empty for what comes from this repository. */
    static String version(String name) throws Exception {
        Class<?> type =
            switch (name) {
                case "spymemcached" -> MemcachedClient.class;
                case "xmemcached" -> XMemcachedClientBuilder.class;
                case "folsom" -> MemcacheClient.class;
                default -> Peer.class;
            };
        String jar = Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).getFileName().toString();
        Matcher found = Pattern.compile("-(\\d[\\w.]*)\\.jar").matcher(jar);
        return found.find() ? found.group(1) : "";
    }

    final class Cmemcache implements Peer {
        private final StringClient client;

        Cmemcache(String address) {
            client = new StringClient(address);
        }

        public byte[] get(Bench.Pairs pairs, int place) {
            return client.get(pairs.keys().get(place)).getValue();
        }

        public void set(Bench.Pairs pairs, int place) {
            client.set(pairs.keys().get(place), pairs.values().get(place));
        }

        public int getMulti(Bench.Pairs pairs) {
            return client.getMulti(pairs.keys()).size();
        }

        public void setMulti(Bench.Pairs pairs) {
            int stored = client.setMulti(pairs.entries()).size();
            if (stored != pairs.keys().size()) throw new IllegalStateException("stored " + stored);
        }
    }

    final class Spymemcached implements Peer {
        private final MemcachedClient client;

        Spymemcached(InetSocketAddress address) throws Exception {
            SerializingTranscoder transcoder = new SerializingTranscoder();
            transcoder.setCompressionThreshold(Integer.MAX_VALUE);
            ConnectionFactoryBuilder factory = new ConnectionFactoryBuilder().setDaemon(true).setFailureMode(FailureMode.Retry);
            factory.setOpTimeout(TIMEOUT_MS).setUseNagleAlgorithm(false).setTranscoder(transcoder);
            client = new MemcachedClient(factory.build(), List.of(address));
        }

        public byte[] get(Bench.Pairs pairs, int place) {
            return (byte[]) client.get(pairs.keys().get(place));
        }

        public void set(Bench.Pairs pairs, int place) throws Exception {
            check(start(pairs, place));
        }

        public int getMulti(Bench.Pairs pairs) {
            return client.getBulk(pairs.keys()).size();
        }

        public void setMulti(Bench.Pairs pairs) throws Exception {
            List<Future<Boolean>> started = new ArrayList<>();
            for (int place = 0; place < pairs.keys().size(); place++) started.add(start(pairs, place));
            for (Future<Boolean> one : started) check(one);
        }

        private Future<Boolean> start(Bench.Pairs pairs, int place) {
            return client.set(pairs.keys().get(place), 0, pairs.values().get(place));
        }

        private static void check(Future<Boolean> stored) throws Exception {
            if (!stored.get(TIMEOUT_MS, TimeUnit.MILLISECONDS)) throw new IllegalStateException("not stored");
        }
    }

    final class Xmemcached implements Peer {
        private final net.rubyeye.xmemcached.MemcachedClient client;

        Xmemcached(InetSocketAddress address) throws Exception {
            XMemcachedClientBuilder builder = new XMemcachedClientBuilder(List.of(address));
            builder.setOpTimeout(TIMEOUT_MS);
            client = builder.build();
            client.getTranscoder().setCompressionThreshold(Integer.MAX_VALUE);
        }

        public byte[] get(Bench.Pairs pairs, int place) throws Exception {
            return client.get(pairs.keys().get(place));
        }

        public void set(Bench.Pairs pairs, int place) throws Exception {
            if (!client.set(pairs.keys().get(place), 0, pairs.values().get(place))) throw new IllegalStateException("not stored");
        }

        public int getMulti(Bench.Pairs pairs) throws Exception {
            return client.get(pairs.keys()).size();
        }
    }

    final class Folsom implements Peer {
        private final MemcacheClient<byte[]> client;

        Folsom(InetSocketAddress address) throws Exception {
            MemcacheClientBuilder<byte[]> builder = MemcacheClientBuilder.newByteArrayClient();
            builder.withAddress(address.getHostString(), address.getPort()).withRequestTimeoutMillis(TIMEOUT_MS);
            client = builder.withMaxOutstandingRequests(1 << 16).connectAscii();
            client.awaitFullyConnected(5, TimeUnit.SECONDS);
        }

        public byte[] get(Bench.Pairs pairs, int place) throws Exception {
            return client.get(pairs.keys().get(place)).toCompletableFuture().get();
        }

        public void set(Bench.Pairs pairs, int place) throws Exception {
            check(start(pairs, place));
        }

        public int getMulti(Bench.Pairs pairs) throws Exception {
            int hits = 0;
            for (byte[] value : client.get(pairs.keys()).toCompletableFuture().get()) {
                if (value != null) hits++;
            }
            return hits;
        }

        public void setMulti(Bench.Pairs pairs) throws Exception {
            List<Future<MemcacheStatus>> started = new ArrayList<>();
            for (int place = 0; place < pairs.keys().size(); place++) started.add(start(pairs, place));
            for (Future<MemcacheStatus> one : started) check(one);
        }

        private Future<MemcacheStatus> start(Bench.Pairs pairs, int place) {
            return client.set(pairs.keys().get(place), pairs.values().get(place), 0).toCompletableFuture();
        }

        private static void check(Future<MemcacheStatus> stored) throws Exception {
            if (stored.get() != MemcacheStatus.OK) throw new IllegalStateException("not stored");
        }
    }
}
