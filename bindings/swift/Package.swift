// swift-tools-version:6.0
import Foundation
import PackageDescription

// The core. On Apple platforms an XCFramework holds it, once make-xcframework has built one (not tested); everywhere else a C
// header, and pkg-config to say where the built library lies.
let framework = "CMemcacheC.xcframework"
let core: Target =
    FileManager.default.fileExists(atPath: Context.packageDirectory + "/" + framework)
    ? .binaryTarget(name: "CMemcacheC", path: framework) : .systemLibrary(name: "CMemcacheC", pkgConfig: "cmemcache")

let package = Package(
    name: "cmemcache",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [.library(name: "CMemcache", targets: ["CMemcache"])],
    targets: [
        core,
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // Generated from the core's interface by `make generate-swift`.
        .target(name: "CMemcacheFFI", dependencies: ["CMemcacheC"]),
        .target(name: "CMemcache", dependencies: ["CMemcacheFFI", "CMemcacheC", "CZlib"]),
    ]
)
