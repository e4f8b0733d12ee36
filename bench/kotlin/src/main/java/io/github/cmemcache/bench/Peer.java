package io.github.cmemcache.bench;

import com.spotify.folsom.MemcacheClient;
import com.spotify.folsom.MemcacheClientBuilder;
import io.github.cmemcache.ClientOptions;
import io.github.cmemcache.StringClient;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import net.rubyeye.xmemcached.XMemcachedClientBuilder;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.FailureMode;
import net.spy.memcached.MemcachedClient;

/** What is measured of a client, each used as its manual says for a program with many threads: one client, shared. */
interface Peer extends AutoCloseable {
    Object get(String key) throws Exception;

    Object set(String key, byte[] value) throws Exception;

    /** Returns the number of hits. */
    int getMulti(List<String> keys) throws Exception;

    static Peer open(String name, String host, int port) throws Exception {
        return switch (name) {
            case "cmemcache" -> new Cmemcache(host + ":" + port);
            case "spymemcached" -> new Spymemcached(host, port);
            case "xmemcached" -> new Xmemcached(host, port);
            case "folsom" -> new Folsom(host, port);
            default -> throw new IllegalArgumentException(name);
        };
    }

    final class Cmemcache implements Peer {
        private final StringClient client;

        Cmemcache(String address) {
            client = new StringClient(new String[] {address}, ClientOptions.builder().timeout(java.time.Duration.ofSeconds(5)).build());
        }

        public Object get(String key) {
            return client.get(key);
        }

        public Object set(String key, byte[] value) {
            return client.set(key, value);
        }

        public int getMulti(List<String> keys) {
            return client.getMulti(keys).size();
        }

        public void close() {
            client.close();
        }
    }

    final class Spymemcached implements Peer {
        private final MemcachedClient client;

        Spymemcached(String host, int port) throws Exception {
            client = new MemcachedClient(
                new ConnectionFactoryBuilder().setDaemon(true).setOpTimeout(5000).setFailureMode(FailureMode.Retry).build(),
                List.of(new InetSocketAddress(host, port)));
        }

        public Object get(String key) {
            return client.get(key);
        }

        public Object set(String key, byte[] value) throws Exception {
            return client.set(key, 0, value).get(5, TimeUnit.SECONDS);
        }

        public int getMulti(List<String> keys) {
            return client.getBulk(keys).size();
        }

        public void close() {
            client.shutdown();
        }
    }

    final class Xmemcached implements Peer {
        private final net.rubyeye.xmemcached.MemcachedClient client;

        Xmemcached(String host, int port) throws Exception {
            XMemcachedClientBuilder builder = new XMemcachedClientBuilder(List.of(new InetSocketAddress(host, port)));
            builder.setOpTimeout(5000);
            client = builder.build();
        }

        public Object get(String key) throws Exception {
            return client.get(key);
        }

        public Object set(String key, byte[] value) throws Exception {
            return client.set(key, 0, value);
        }

        public int getMulti(List<String> keys) throws Exception {
            return client.get(keys).size();
        }

        public void close() throws Exception {
            client.shutdown();
        }
    }

    final class Folsom implements Peer {
        private final MemcacheClient<byte[]> client;

        Folsom(String host, int port) throws Exception {
            client = MemcacheClientBuilder.newByteArrayClient().withAddress(host, port).withRequestTimeoutMillis(5000).connectAscii();
            client.awaitFullyConnected(5, TimeUnit.SECONDS);
        }

        public Object get(String key) throws Exception {
            return client.get(key).toCompletableFuture().get();
        }

        public Object set(String key, byte[] value) throws Exception {
            return client.set(key, value, 0).toCompletableFuture().get();
        }

        public int getMulti(List<String> keys) throws Exception {
            int hits = 0;
            for (byte[] value : client.get(keys).toCompletableFuture().get()) {
                if (value != null) hits++;
            }
            return hits;
        }

        public void close() {
            client.shutdown();
        }
    }
}
