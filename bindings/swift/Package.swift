// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "cmemcache",
    platforms: [.macOS(.v13), .iOS(.v16), .tvOS(.v16), .watchOS(.v9)],
    products: [.library(name: "CMemcache", targets: ["CMemcache"])],
    targets: [
        // The core: its C header, and where pkg-config says the built library lies.
        .systemLibrary(name: "CMemcacheC", pkgConfig: "cmemcache"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // Generated from the core's interface; see make/swift.mk.
        .target(name: "CMemcacheFFI", dependencies: ["CMemcacheC"]),
        .target(name: "CMemcache", dependencies: ["CMemcacheFFI", "CMemcacheC", "CZlib"]),
    ]
)
