// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "driver",
    platforms: [.macOS(.v13)],
    dependencies: [.package(name: "cmemcache", path: "../../../bindings/swift")],
    targets: [
        .executableTarget(name: "Driver", dependencies: [.product(name: "CMemcache", package: "cmemcache")])
    ]
)
