import org.apache.activemq.artemis.api.core.QueueConfiguration;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.JournalType;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;

/** Serves AMQP 1.0 on a port of the loopback address, durably below a folder: `Serve FOLDER PORT QUEUE...`. */
public class Serve {
    public static void main(String[] arguments) throws Exception {
        String data = arguments[0] + "/data/";
        ConfigurationImpl settings = new ConfigurationImpl();
        settings.setSecurityEnabled(false);
        settings.setPersistenceEnabled(true).setJournalType(JournalType.NIO);
        settings.setJournalDirectory(data + "journal").setBindingsDirectory(data + "bindings");
        settings.setLargeMessagesDirectory(data + "large").setPagingDirectory(data + "paging");
        // How full the machine's disk is, is not what is tested.
        settings.setMaxDiskUsage(-1);
        settings.addAcceptorConfiguration("amqp", "tcp://127.0.0.1:" + arguments[1] + "?protocols=AMQP");
        for (int n = 2; n < arguments.length; n++) {
            QueueConfiguration queue = new QueueConfiguration(arguments[n]).setAddress(arguments[n]);
            settings.addQueueConfiguration(queue.setRoutingType(RoutingType.ANYCAST).setDurable(true));
        }
        EmbeddedActiveMQ server = new EmbeddedActiveMQ();
        server.setConfiguration(settings);
        server.start();
        System.out.println("serving");
        Thread.currentThread().join();
    }
}
