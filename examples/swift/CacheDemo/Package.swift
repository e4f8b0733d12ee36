// swift-tools-version:6.0
import PackageDescription

// A program that uses the package as any other program would, but by path instead of by its address in git.
let package = Package(
    name: "cache-demo",
    platforms: [.macOS(.v13)],
    dependencies: [.package(name: "cmemcache", path: "../../../bindings/swift")],
    targets: [
        .executableTarget(name: "CacheDemo", dependencies: [.product(name: "CMemcache", package: "cmemcache")])
    ]
)
