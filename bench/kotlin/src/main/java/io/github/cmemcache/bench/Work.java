package io.github.cmemcache.bench;

/** One kind of work; bench/work.py says what each field means. */
record Work(String operation, int batch, int size, int threads) {
    static Work parse(String order) {
        return new Work(Worker.field(order, "operation", "\"(\\w+)\""), number(order, "batch"), number(order, "size"), number(order, "threads"));
    }

    boolean isMulti() {
        return operation.endsWith("_multi");
    }

    private static int number(String order, String name) {
        return Integer.parseInt(Worker.field(order, name, "(\\d+)"));
    }
}
