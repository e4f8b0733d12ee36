// swift-tools-version:6.0
import PackageDescription

// The tests of the Swift package, as a package that depends on it by path, as a program does.
let package = Package(
    name: "cmemcache-tests",
    platforms: [.macOS(.v13)],
    dependencies: [.package(name: "cmemcache", path: "../bindings/swift")],
    targets: [
        .testTarget(name: "CMemcacheTests", dependencies: [.product(name: "CMemcache", package: "cmemcache")])
    ]
)
